import type { ObjectStore } from "../../layers/pipeline/ports.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { openStore } from "../addresses/stores.js";
import type { Account, BatchJobs, Executions, Logs, Objects, Queues, Stacks } from "./ports.js";
import type { CountedUnits } from "./run-progress.js";
import { type CloudOptions, type CloudSettings, cloudSettings } from "./settings.js";
import { openStack, resultsOf, type Stack } from "./stack.js";

/** AWS, each service's client loaded when it is first asked for. */
export interface CloudServices {
  stacks(): Promise<Stacks>;
  account(): Promise<Account>;
  queues(): Promise<Queues>;
  logs(): Promise<Logs>;
  objects(): Promise<Objects>;
  executions(stack: Stack): Promise<Executions>;
  /** undefined when the stack has no Batch queue. */
  jobs(stack: Stack): Promise<BatchJobs | undefined>;
  store(address: string): Promise<ObjectStore>;
}

/** A deployed stack, and what the commands need of it. */
export interface Cloud {
  readonly stack: Stack;
  readonly services: CloudServices;
  readonly executions: Executions;
  readonly uploads: ObjectStore;
  readonly staging: ObjectStore;
  /** What was read of staging already, so that a watcher reads it once. */
  readonly counted: CountedUnits;
  /** What a pipeline makes. */
  results(pipeline: string): Promise<ObjectStore>;
}

/** @throws ClustsegError CONFIG_INVALID, STACK_NOT_FOUND, STACK_INVALID, or a CLOUD_* code */
export async function openCloud(options: CloudOptions, cwd: string): Promise<Cloud> {
  const settings = await readCloudSettings(options, cwd);
  const services = awsServices(cwd);
  const stack = await openStack(await services.stacks(), settings);
  return cloudOf(stack, services);
}

export async function cloudOf(stack: Stack, services: CloudServices): Promise<Cloud> {
  const [executions, uploads, staging] = await Promise.all([
    services.executions(stack),
    services.store(stack.uploads),
    services.store(stack.staging),
  ]);
  return {
    stack,
    services,
    executions,
    uploads,
    staging,
    counted: new Map(),
    results: (pipeline) => services.store(resultsOf(stack, pipeline)),
  };
}

/** The settings, once AWS's clients have been told of them: they read the environment when they are made. */
export async function readCloudSettings(options: CloudOptions, cwd: string): Promise<CloudSettings> {
  const settings = await cloudSettings(options, cwd, process.env);
  if (settings.region !== undefined) process.env["AWS_REGION"] = settings.region;
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";
  return settings;
}

export function awsServices(cwd: string): CloudServices {
  return {
    stacks: async () => new (await import("./aws-stacks.js")).AwsStacks(),
    account: async () => new (await import("./aws-account.js")).AwsAccount(),
    queues: async () => new (await import("./aws-queues.js")).AwsQueues(),
    logs: async () => new (await import("./aws-logs.js")).AwsLogs(),
    objects: async () => new (await import("./aws-objects.js")).AwsObjects(),
    executions: async ({ stateMachine }) => new (await import("./aws-executions.js")).AwsExecutions(stateMachine),
    jobs: async ({ jobQueue }) => {
      if (jobQueue === undefined) return undefined;
      return new (await import("./aws-batch-jobs.js")).AwsBatchJobs(jobQueue);
    },
    store: (address) => openStore(address, cwd),
  };
}

/** @throws ClustsegError STACK_INVALID when the stack does not tell of it */
export function needed<T>(value: T | undefined, output: string, stack: Stack): T {
  if (value !== undefined) return value;
  throw new ClustsegError("STACK_INVALID", `the stack ${stack.name} has no output ${output}`, {
    hint: "It was deployed by another version: deploy it again.",
  });
}
