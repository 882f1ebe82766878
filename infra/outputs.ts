import { CfnOutput, type Stack } from "aws-cdk-lib";
import type { ILogGroup } from "aws-cdk-lib/aws-logs";
import type { Buckets, Place } from "./buckets.js";
import type { Compute } from "./compute.js";
import type { CloudConfig } from "./config.js";
import type { Functions } from "./functions.js";
import type { Monitoring } from "./monitoring.js";
import type { IntakeQueue } from "./queue.js";
import type { Recipe } from "./recipes.js";
import { typed } from "./typed.js";
import type { Workflow } from "./workflow.js";

export interface OutputsProps {
  readonly config: CloudConfig;
  readonly recipes: readonly Recipe[];
  readonly buckets: Buckets;
  readonly intake: IntakeQueue;
  readonly functions: Functions;
  readonly compute: Compute;
  readonly workflow: Workflow;
  readonly monitoring: Monitoring;
}

/** What the command line reads of the stack (the names are a contract with bin/cloud), and what a person types next. */
export function addOutputs(stack: Stack, props: OutputsProps): void {
  const { config, recipes, buckets, intake, functions, compute, workflow, monitoring } = props;
  const { uploads, staging, results } = buckets;
  const logGroups = new Map<string, ILogGroup>([
    ...functions.logGroups,
    ["segment", compute.logGroup],
    ["runs", workflow.logGroup],
  ]);
  const names = Object.fromEntries([...logGroups].map(([name, group]) => [name, group.logGroupName]));
  const outputs: Record<string, [value: string, description: string]> = {
    UploadsUri: [uploads.uri, "Put images here"],
    StagingUri: [staging.uri, "Work in progress; empties itself"],
    ResultsUri: [results.uri, "Masks and metadata, below the name of their pipeline"],
    StateMachineArn: [workflow.machine.stateMachineArn, "An execution is a run"],
    JobQueueName: [compute.queue.jobQueueName, "Where segment jobs wait"],
    JobQueueArn: [compute.queue.jobQueueArn, "The same, as an ARN"],
    JobDefinitionName: [compute.jobName, "The segment container"],
    IntakeQueueUrl: [intake.queue.queueUrl, "Uploads on their way to intake"],
    DeadLetterQueueUrl: [intake.deadLetters.queueUrl, "Uploads that intake could not take in"],
    LogGroups: [stack.toJsonString(names), "Log group of each stage"],
    Pipelines: [stack.toJsonString(recipes), "What is done to each upload"],
    ComputeKind: [config.compute.kind, "gpu, fargate or cpu"],
    Region: [stack.region, "Where all of this is"],
    AlarmTopicArn: [monitoring.topic.topicArn, "Alarms are published here"],
    BucketsKept: [bucketsKept([uploads, staging, results]), "cdk destroy leaves these, with what is in them"],
    NextSteps: [nextSteps(config, buckets, recipes), "What to type next"],
  };
  if (monitoring.dashboard !== undefined) {
    const url = `https://${stack.region}.console.aws.amazon.com/cloudwatch/home?region=${stack.region}#dashboards/dashboard/${stack.stackName}`;
    outputs["DashboardUrl"] = [url, "Images, dollars, runs, queues and errors"];
  }
  for (const [id, [value, description]] of Object.entries(outputs)) new CfnOutput(stack, id, { value, description });
}

/** Those of the stack's own, which are the ones that a destroy could have taken. */
function bucketsKept(places: readonly Place[]): string {
  const names = places.filter(({ created }) => created).map(({ bucket }) => bucket.bucketName);
  return names.join(" ") || "none: all are yours";
}

function nextSteps(
  { stackName, environment }: CloudConfig,
  { uploads, results }: Buckets,
  recipes: readonly Recipe[],
): string {
  const [first] = recipes;
  const steps = [
    ...(uploads.created
      ? []
      : [
          `aws s3api put-bucket-notification-configuration --bucket ${uploads.bucket.bucketName} --notification-configuration '{"EventBridgeConfiguration":{}}' (once; it replaces what is set there)`,
        ]),
    typed("doctor --cloud", stackName),
    `aws s3 cp IMAGE ${uploads.uri}`,
    typed("status --watch", stackName),
    `aws s3 ls --recursive ${results.uri}${first?.name ?? ""}/`,
    `Remove it all, with the same -c as for cdk deploy: npx cdk destroy -c environment=${environment} (and -c config=… if it had one)`,
  ];
  return steps.join(" | ");
}
