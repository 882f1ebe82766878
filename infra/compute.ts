import { Duration, RemovalPolicy, Size } from "aws-cdk-lib";
import {
  AllocationStrategy,
  type CfnComputeEnvironment,
  type EcsJobDefinition,
  EcsMachineImageType,
  FairshareSchedulingPolicy,
  FargateComputeEnvironment,
  JobQueue,
  JobStateTimeLimitActionsAction,
  JobStateTimeLimitActionsReason,
  JobStateTimeLimitActionsState,
  ManagedEc2EcsComputeEnvironment,
  type OrderedComputeEnvironment,
} from "aws-cdk-lib/aws-batch";
import { type InstanceClass, InstanceType } from "aws-cdk-lib/aws-ec2";
import { type Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { LogGroup, type RetentionDays } from "aws-cdk-lib/aws-logs";
import { NagSuppressions } from "cdk-nag";
import { Construct } from "constructs";
import type { Buckets } from "./buckets.js";
import type { ComputeConfig } from "./config.js";
import { bareRole, bucketStatements } from "./grants.js";
import { type JobProps, makeJob } from "./job.js";
import { machineRole, machineTemplate } from "./machines.js";

type Environment = OrderedComputeEnvironment["computeEnvironment"];

/** Who shares the queue: uploads are served before a bulk job that has had its part. Batch allows letters and digits only. */
export const shares = { upload: "upload", bulk: "bulk" } as const;

/**
 * Percentage of the vCPUs that waits for the other share while only one has work. Batch takes it from whichever share that is: of so
 * few vCPUs that a job would not fit into the rest nothing is kept, or no job would ever begin.
 */
export function reservation({ maxVcpus, vcpus }: Pick<ComputeConfig, "maxVcpus" | "vcpus">): number {
  const percent = 25;
  return maxVcpus * (1 - percent / 100) >= vcpus ? percent : 0;
}

export interface ComputeProps extends Omit<JobProps, "role" | "logGroup"> {
  readonly buckets: Buckets;
  readonly kmsKeyArn: string | undefined;
  readonly logDays: RetentionDays;
}

/** AWS Batch: where the container runs, how much of it at once, who goes first and what is tried again. */
export class Compute extends Construct {
  readonly queue: JobQueue;
  readonly job: EcsJobDefinition;
  /** Of the container: what the code that decodes images may do. */
  readonly role: Role;
  readonly logGroup: LogGroup;
  /** The job definition's name: its newest revision is what a run starts. */
  readonly jobName: string;

  constructor(scope: Construct, id: string, props: ComputeProps) {
    super(scope, id);
    const { config } = props;
    this.jobName = props.jobName;
    this.logGroup = new LogGroup(this, "Logs", { retention: props.logDays, removalPolicy: RemovalPolicy.DESTROY });
    this.role = bareRole(
      this,
      "Segment",
      new ServicePrincipal("ecs-tasks.amazonaws.com"),
      "clustseg: decodes and segments images",
    );
    for (const statement of bucketStatements(this, "segment", props.buckets, props.kmsKeyArn))
      this.role.addToPolicy(statement);
    NagSuppressions.addResourceSuppressions(
      this.role,
      [
        {
          id: "AwsSolutions-IAM5",
          reason: "Keys of uploads and staging are not known before. No action has a wildcard.",
        },
      ],
      true,
    );
    const environments = config.kind === "fargate" ? this.#fargate(props) : this.#ec2(props);
    this.queue = this.#queue(environments, config);
    this.job = makeJob(this, { ...props, role: this.role, logGroup: this.logGroup });
  }

  /** In the order in which Batch tries them: Spot, then On-Demand. */
  #prices({ spot }: ComputeProps["config"]): readonly { readonly name: string; readonly spot: boolean }[] {
    const both = [
      { name: "Spot", spot: true },
      { name: "OnDemand", spot: false },
    ];
    return both.filter((one) => spot === "first" || one.spot === (spot === "only"));
  }

  #fargate({ config, network }: ComputeProps): Environment[] {
    return this.#prices(config).map(
      ({ name, spot }) =>
        new FargateComputeEnvironment(this, name, {
          vpc: network.vpc,
          vpcSubnets: { subnets: network.subnets },
          securityGroups: [network.securityGroup],
          maxvCpus: config.maxVcpus,
          spot,
        }),
    );
  }

  #ec2({ config, network }: ComputeProps): Environment[] {
    const gpu = config.kind === "gpu";
    const instanceRole = machineRole(this);
    // The CUDA image has some 5 GB, unpacked beside what it was packed in.
    const launchTemplate = machineTemplate(this, Size.gibibytes(gpu ? 60 : 30));
    const isType = (name: string) => name.includes(".");
    return this.#prices(config).map(({ name, spot }) => {
      const environment = new ManagedEc2EcsComputeEnvironment(this, name, {
        vpc: network.vpc,
        vpcSubnets: { subnets: network.subnets },
        securityGroups: [network.securityGroup],
        instanceRole,
        launchTemplate,
        // Named, because a plain family would be started with the AMI that has no driver.
        images: [{ imageType: gpu ? EcsMachineImageType.ECS_AL2023_NVIDIA : EcsMachineImageType.ECS_AL2023 }],
        instanceTypes: config.instanceTypes.filter(isType).map((type) => new InstanceType(type)),
        instanceClasses: config.instanceTypes.filter((type) => !isType(type)) as InstanceClass[],
        useOptimalInstanceClasses: false,
        allocationStrategy: spot
          ? AllocationStrategy.SPOT_PRICE_CAPACITY_OPTIMIZED
          : AllocationStrategy.BEST_FIT_PROGRESSIVE,
        minvCpus: 0,
        maxvCpus: config.maxVcpus,
        spot,
        updateToLatestImageVersion: true,
        // Jobs in work are let finish when the environment is changed.
        terminateOnUpdate: false,
        updateTimeout: Duration.minutes(Math.min(360, config.timeoutMinutes)),
      });
      // Else Batch takes the template's default version, which stays the first.
      const resource = environment.node.defaultChild as CfnComputeEnvironment;
      resource.addPropertyOverride("ComputeResources.LaunchTemplate.Version", "$Latest");
      return environment;
    });
  }

  #queue(environments: readonly Environment[], config: ComputeConfig): JobQueue {
    const giveUp = (reason: JobStateTimeLimitActionsReason, minutes: number) => ({
      action: JobStateTimeLimitActionsAction.CANCEL,
      state: JobStateTimeLimitActionsState.RUNNABLE,
      maxTime: Duration.minutes(minutes),
      reason,
    });
    const { INSUFFICIENT_INSTANCE_CAPACITY, COMPUTE_ENVIRONMENT_MAX_RESOURCE, JOB_RESOURCE_REQUIREMENT } =
      JobStateTimeLimitActionsReason;
    return new JobQueue(this, "Queue", {
      computeEnvironments: environments.map((computeEnvironment, order) => ({ computeEnvironment, order: order + 1 })),
      schedulingPolicy: new FairshareSchedulingPolicy(this, "Shares", {
        computeReservation: reservation(config),
        shareDecay: Duration.minutes(5),
        shares: [
          // A lower weight is a larger part: uploads get four times what a bulk job gets.
          { shareIdentifier: shares.upload, weightFactor: 0.25 },
          { shareIdentifier: shares.bulk, weightFactor: 1 },
        ],
      }),
      // Without these a job that no machine fits stays RUNNABLE for ever, and blocks those behind it.
      jobStateTimeLimitActions: [
        giveUp(INSUFFICIENT_INSTANCE_CAPACITY, config.waitMinutes),
        giveUp(COMPUTE_ENVIRONMENT_MAX_RESOURCE, 10),
        giveUp(JOB_RESOURCE_REQUIREMENT, 10),
      ],
    });
  }
}
