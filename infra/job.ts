import { Duration, Size, Stack } from "aws-cdk-lib";
import {
  Action,
  EcsEc2ContainerDefinition,
  EcsFargateContainerDefinition,
  EcsJobDefinition,
  EcsVolume,
  Reason,
  RetryStrategy,
} from "aws-cdk-lib/aws-batch";
import { Repository } from "aws-cdk-lib/aws-ecr";
import { Platform } from "aws-cdk-lib/aws-ecr-assets";
import { ContainerImage, LogDriver } from "aws-cdk-lib/aws-ecs";
import { type Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { LogGroup } from "aws-cdk-lib/aws-logs";
import { NagSuppressions } from "cdk-nag";
import type { Construct } from "constructs";
import type { Assets } from "./assets.js";
import type { ComputeConfig } from "./config.js";
import { bareRole } from "./grants.js";
import type { Network } from "./network.js";

export interface JobProps {
  readonly config: ComputeConfig;
  readonly network: Network;
  readonly assets: Assets;
  /** Of the container. */
  readonly environment: Readonly<Record<string, string>>;
  /** A name that other stacks of the account do not have. */
  readonly jobName: string;
  /** Of the code in the container. */
  readonly role: Role;
  readonly logGroup: LogGroup;
}

/** What a job is: the container, and what happens when it ends badly. */
export function makeJob(scope: Construct, props: JobProps): EcsJobDefinition {
  const { config, environment, jobName } = props;
  return new EcsJobDefinition(scope, "Job", {
    jobDefinitionName: jobName,
    container: makeContainer(scope, props, {
      ...environment,
      // Lambda sets it, Batch on EC2 does not, and the SDK does not ask the machine.
      AWS_REGION: Stack.of(scope).region,
      CLUSTSEG_PROVIDER: config.kind === "gpu" ? "cuda" : "cpu",
      // Batch does not try a job again that it has timed out, so the worker leaves before that, with the code that is tried again.
      CLUSTSEG_JOB_SECONDS: String(config.timeoutMinutes * 60),
    }),
    retryAttempts: config.attempts,
    // No rule that matches means "again", so the last one ends all that is not named above it.
    retryStrategies: [
      RetryStrategy.of(Action.RETRY, Reason.custom({ onStatusReason: "Host EC2*" })),
      RetryStrategy.of(Action.RETRY, Reason.custom({ onExitCode: "75" })),
      // Killed by a signal (128 and its number): for its memory, or a decoder was overrun. The crash guard of the next attempts
      // finds the image that does it, and rejects it.
      RetryStrategy.of(Action.RETRY, Reason.custom({ onExitCode: "13*" })),
      RetryStrategy.of(Action.RETRY, Reason.custom({ onReason: "CannotPullContainerError:*" })),
      RetryStrategy.of(Action.EXIT, Reason.custom({ onReason: "*" })),
    ],
    // Wanted in a queue with shares; all of ours are equal within theirs.
    schedulingPriority: 1,
    timeout: Duration.minutes(config.timeoutMinutes),
    propagateTags: true,
    // Jobs that wait or work keep the revision that they were submitted with. Later shards of their run get the newest one, as the
    // state machine names no revision: with another model those end in RUN_MODEL_CHANGED.
    skipDeregisterOnUpdate: true,
  });
}

function makeContainer(scope: Construct, props: JobProps, environment: Record<string, string>) {
  const { config, network } = props;
  // Pulls the image and opens the log, before the container starts; the code in it never has this role.
  const executionRole = bareRole(
    scope,
    "Start",
    new ServicePrincipal("ecs-tasks.amazonaws.com"),
    "clustseg: starts the container",
  );
  const common = {
    image: imageOf(scope, props),
    cpu: config.vcpus,
    memory: Size.mebibytes(config.memoryMib),
    environment,
    jobRole: props.role,
    executionRole,
    logging: LogDriver.awsLogs({ logGroup: props.logGroup, streamPrefix: "segment" }),
    readonlyRootFilesystem: true,
    // The one place that can be written, empty at the start: libvips lays large images down there.
    volumes: [EcsVolume.host({ name: "tmp", containerPath: "/tmp", readonly: false })],
  };
  const container =
    config.kind === "fargate"
      ? new EcsFargateContainerDefinition(scope, "Container", { ...common, assignPublicIp: network.publicIp })
      : new EcsEc2ContainerDefinition(scope, "Container", {
          ...common,
          privileged: false,
          ...(config.kind === "gpu" ? { gpu: 1 } : {}),
        });
  NagSuppressions.addResourceSuppressions(
    executionRole,
    [{ id: "AwsSolutions-IAM5", reason: "ecr:GetAuthorizationToken has no resource." }],
    true,
  );
  return container;
}

function imageOf(scope: Construct, { config, assets }: JobProps): ContainerImage {
  const { image, kind, cudaMajor } = config;
  if (image !== undefined) {
    return ContainerImage.fromEcrRepository(Repository.fromRepositoryName(scope, "Image", image.repository), image.tag);
  }
  return ContainerImage.fromAsset(assets.segment, {
    platform: Platform.LINUX_AMD64,
    buildArgs: kind === "gpu" ? { VARIANT: "cuda", CUDA_MAJOR: String(cudaMajor) } : { VARIANT: "cpu" },
  });
}
