import { RemovalPolicy, Stack } from "aws-cdk-lib";
import { Policy, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { LogGroup, type RetentionDays } from "aws-cdk-lib/aws-logs";
import { DefinitionBody, LogLevel, StateMachine, StateMachineType } from "aws-cdk-lib/aws-stepfunctions";
import { NagSuppressions } from "cdk-nag";
import { Construct } from "constructs";
import { objectsOf, type Place } from "./buckets.js";
import type { Compute } from "./compute.js";
import { shares } from "./compute.js";
import type { ShardsConfig } from "./config.js";
import { definition } from "./definition.js";
import type { Functions } from "./functions.js";
import { allow, arnOf, bareRole, keyStatements } from "./grants.js";

export interface WorkflowProps {
  readonly functions: Functions;
  readonly compute: Compute;
  readonly staging: Place;
  readonly kmsKeyArn: string | undefined;
  readonly shards: ShardsConfig;
  readonly logDays: RetentionDays;
  readonly tracing: boolean;
}

/** The state machine: one execution is one run, and each shard is an execution below it. */
export class Workflow extends Construct {
  readonly machine: StateMachine;
  readonly logGroup: LogGroup;

  constructor(scope: Construct, id: string, props: WorkflowProps) {
    super(scope, id);
    const { functions, compute, staging, shards, logDays, tracing } = props;
    // The name's beginning keeps CloudWatch's resource policy from growing with every such group of the account.
    this.logGroup = new LogGroup(this, "Logs", {
      logGroupName: `/aws/vendedlogs/states/${Stack.of(this).stackName}`,
      retention: logDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = bareRole(this, "Role", new ServicePrincipal("states.amazonaws.com"), "clustseg: runs");
    const { intake: _, ...called } = Object.fromEntries(functions.all);
    const statements = [
      allow(
        ["lambda:InvokeFunction"],
        Object.values(called).map(({ functionArn }) => functionArn),
      ),
      allow(["s3:GetObject"], [objectsOf(staging, "runs/*/map.json")]),
      ...keyStatements(this, props.kmsKeyArn, "kms:Decrypt"),
      allow(
        ["batch:SubmitJob"],
        [
          compute.queue.jobQueueArn,
          arnOf(this, "batch", "job-definition", compute.jobName),
          arnOf(this, "batch", "job-definition", `${compute.jobName}:*`),
        ],
      ),
      // Batch names its jobs, and DescribeJobs has no resource.
      allow(["batch:TerminateJob"], [arnOf(this, "batch", "job", "*")]),
      allow(["batch:DescribeJobs"], ["*"]),
      // How Step Functions learns that a job has ended.
      allow(
        ["events:PutTargets", "events:PutRule", "events:DescribeRule"],
        [arnOf(this, "events", "rule", "StepFunctionsGetEventsForBatchJobsRule")],
      ),
    ];
    for (const statement of statements) role.addToPolicy(statement);
    this.machine = new StateMachine(this, "Machine", {
      stateMachineType: StateMachineType.STANDARD,
      role,
      definitionBody: DefinitionBody.fromString(
        Stack.of(this).toJsonString(
          definition({
            plan: functions.plan.functionArn,
            publish: functions.publish.functionArn,
            summarize: functions.summarize.functionArn,
            quick: functions.quick?.functionArn,
            jobQueue: compute.queue.jobQueueArn,
            jobDefinition: compute.jobName,
            staging: { bucket: staging.bucket.bucketName, prefix: staging.prefix },
            shares,
            concurrency: shards.concurrency,
            tolerated: shards.tolerated,
          }),
        ),
      ),
      tracingEnabled: tracing,
      // Names of states and errors; what images are called stays in the functions' logs.
      logs: { destination: this.logGroup, level: LogLevel.ALL, includeExecutionData: false },
    });
    // It names the job definition, and does not refer to it.
    this.machine.node.addDependency(compute.job);
    this.#mayStartItself(role);
    NagSuppressions.addResourceSuppressions(
      role,
      [
        {
          id: "AwsSolutions-IAM5",
          reason:
            "batch:DescribeJobs, the delivery of logs and X-Ray have no resources; jobs and runs get their names when they begin.",
        },
      ],
      true,
    );
  }

  /** A distributed map starts executions of its own machine. A policy apart, for the machine waits for its role's other one. */
  #mayStartItself(role: ReturnType<typeof bareRole>): void {
    const { stateMachineArn, stateMachineName } = this.machine;
    const policy = new Policy(this, "Shards", {
      roles: [role],
      statements: [
        allow(["states:StartExecution"], [stateMachineArn]),
        allow(
          ["states:DescribeExecution", "states:StopExecution"],
          [
            arnOf(this, "states", "execution", `${stateMachineName}:*`, true),
            arnOf(this, "states", "execution", `${stateMachineName}/*`, true),
          ],
        ),
      ],
    });
    NagSuppressions.addResourceSuppressions(policy, [
      { id: "AwsSolutions-IAM5", reason: "Executions of this machine get their names when they begin." },
    ]);
  }
}
