import { segmentExit } from "../layers/pipeline/cloud-contracts.js";
import { caught, invoke, retry, type State } from "./states.js";

/** What the definition names of the stack, as ARNs and names (or tokens for them). */
export interface DefinitionParts {
  readonly plan: string;
  readonly publish: string;
  readonly summarize: string;
  /** Absent when the quick path is off. */
  readonly quick: string | undefined;
  readonly jobQueue: string;
  readonly jobDefinition: string;
  readonly staging: { readonly bucket: string; readonly prefix: string };
  /** Fair-share identifiers of Batch. */
  readonly shares: { readonly upload: string; readonly bulk: string };
  readonly concurrency: number;
  readonly tolerated: number;
}

/** Calls of quick for a shard, and segment jobs of one, before it is given up. */
export const quickRounds = 10;
export const segmentRounds = 3;

/**
 * One run. JSONPath throughout. The input is one of those in `executionInputSchema`; from there on the state is
 * `{ input, share, round, plan: { run }, failure? }`, where `run` is what plan answered.
 */
export function definition(parts: DefinitionParts): State {
  const { shares } = parts;
  return {
    Comment: "One run of clustseg: plan, then quick or a map over shards (segment, publish), then summarize",
    StartAt: "Whose",
    States: {
      Whose: {
        Type: "Choice",
        Comment: "Uploads go before what somebody submitted or goes on with",
        Choices: ["$.submit", "$.resume"].map((path) => ({ Variable: path, IsPresent: true, Next: "Bulk" })),
        Default: "Upload",
      },
      Bulk: { Type: "Pass", Parameters: { "input.$": "$", share: shares.bulk, round: 0 }, Next: "Plan" },
      Upload: { Type: "Pass", Parameters: { "input.$": "$", share: shares.upload, round: 0 }, Next: "Plan" },
      Plan: {
        ...invoke(parts.plan, "$.input"),
        ResultSelector: { "run.$": "$.Payload" },
        ResultPath: "$.plan",
        Catch: caught("Unplanned"),
        Next: "Route",
      },
      Unplanned: {
        Type: "Pass",
        Comment: "Plan failed before it could tell the run's id, which is the execution's name",
        Parameters: {
          plan: { run: { "pipeline.$": "$.input.pipeline", "run_id.$": "$$.Execution.Name" } },
          "failure.$": "$.failure",
        },
        Next: "Summarize failure",
      },
      Route: {
        Type: "Choice",
        Choices: [
          { Variable: "$.plan.run.route", StringEquals: "none", Next: "Summarize" },
          ...(parts.quick === undefined
            ? []
            : [{ Variable: "$.plan.run.route", StringEquals: "quick", Next: "Quick" }]),
        ],
        Default: "Shards",
      },
      ...(parts.quick === undefined ? {} : quickStates(parts.quick, parts.publish)),
      Shards: {
        Type: "Map",
        Label: "Shards",
        ItemReader: {
          Resource: "arn:aws:states:::s3:getObject",
          ReaderConfig: { InputType: "JSON" },
          Parameters: { Bucket: parts.staging.bucket, "Key.$": keyBelow(parts.staging.prefix) },
        },
        ItemSelector: {
          "pipeline.$": "$.plan.run.pipeline",
          "run_id.$": "$.plan.run.run_id",
          "shard.$": "$$.Map.Item.Value.shard",
          "share.$": "$.share",
          round: 1,
        },
        MaxConcurrency: parts.concurrency,
        ToleratedFailureCount: parts.tolerated,
        ItemProcessor: {
          ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
          ...shardDefinition(parts),
        },
        ResultPath: null,
        Catch: caught("Summarize failure"),
        Next: "Summarize",
      },
      Summarize: {
        ...summarize(parts.summarize, { status: "completed" }),
        Catch: caught("Failed"),
        Next: "Ended",
      },
      Ended: {
        Type: "Choice",
        Comment: "A run that somebody cancelled has ended as it was told",
        Choices: ["completed", "cancelled"].map((status) => ({
          Variable: "$.summary.status",
          StringEquals: status,
          Next: "Done",
        })),
        Default: "Failed",
      },
      "Summarize failure": {
        ...summarize(parts.summarize, { status: "failed", "error.$": "$.failure" }),
        Catch: caught("Failed"),
        Next: "Ended",
      },
      Done: { Type: "Succeed" },
      Failed: {
        Type: "Fail",
        Error: "RUN_FAILED",
        Cause:
          "Some images have no result. `npx clustseg logs RUN` tells why; `npx clustseg redrive RUN` goes on with those.",
      },
    },
  };
}

/** The few images of a small batch, without waiting for a machine: again and again until done, or else by a machine after all. */
function quickStates(quick: string, publish: string): Record<string, State> {
  return {
    Quick: {
      ...invoke(
        quick,
        { "pipeline.$": "$.plan.run.pipeline", "run_id.$": "$.plan.run.run_id", "shard.$": "$.plan.run.shard" },
        2,
      ),
      ResultSelector: { "complete.$": "$.Payload.complete" },
      ResultPath: "$.quick",
      Catch: caught("Shards"),
      Next: "Count quick",
    },
    "Count quick": {
      Type: "Pass",
      Parameters: { "round.$": "States.MathAdd($.round, 1)" },
      ResultPath: "$.counted",
      Next: "Quick done",
    },
    "Quick done": {
      Type: "Choice",
      Choices: [
        { Variable: "$.quick.complete", BooleanEquals: true, Next: "Publish quick" },
        { Variable: "$.counted.round", NumericGreaterThanEquals: quickRounds, Next: "Shards" },
      ],
      Default: "Quick again",
    },
    "Quick again": {
      Type: "Pass",
      Parameters: { "input.$": "$.input", "share.$": "$.share", "plan.$": "$.plan", "round.$": "$.counted.round" },
      Next: "Quick",
    },
    "Publish quick": {
      ...invoke(publish, {
        "pipeline.$": "$.plan.run.pipeline",
        "run_id.$": "$.plan.run.run_id",
        "shard.$": "$.plan.run.shard",
      }),
      ResultSelector: { "missing.$": "$.Payload.missing" },
      ResultPath: "$.published",
      Catch: caught("Shards"),
      Next: "Published quick",
    },
    "Published quick": {
      Type: "Choice",
      Choices: [{ Variable: "$.published.missing", NumericEquals: 0, Next: "Summarize" }],
      Default: "Shards",
    },
  };
}

/** One shard, in an execution of its own. What it ends with is as small as can be: all ends together are one state's output. */
function shardDefinition({ jobQueue, jobDefinition, publish }: DefinitionParts): State {
  return {
    StartAt: "Segment",
    States: {
      Segment: {
        Type: "Task",
        Resource: "arn:aws:states:::batch:submitJob.sync",
        Parameters: {
          "JobName.$": "States.Format('{}-{}', $.run_id, $.shard)",
          JobQueue: jobQueue,
          JobDefinition: jobDefinition,
          "ShareIdentifier.$": "$.share",
          ContainerOverrides: {
            "Command.$": "States.Array('segment', '--pipeline', $.pipeline, '--run', $.run_id, '--shard', $.shard)",
          },
        },
        Retry: [
          // SubmitJob has 50 calls a second in an account.
          retry(
            [
              "Batch.AWSBatchException",
              "Batch.BatchException",
              "Batch.TooManyRequestsException",
              "Batch.ServerException",
              "Batch.SdkClientException",
            ],
            8,
          ),
        ],
        ResultSelector: { "status.$": "$.Status" },
        ResultPath: "$.job",
        Catch: caught("Publish"),
        Next: "Publish",
      },
      Publish: {
        ...invoke(publish, { "pipeline.$": "$.pipeline", "run_id.$": "$.run_id", "shard.$": "$.shard" }),
        Comment: "Also after a job that failed: what it has put into packs is done",
        ResultSelector: { "missing.$": "$.Payload.missing" },
        ResultPath: "$.published",
        Next: "Complete",
      },
      Complete: {
        Type: "Choice",
        Choices: [
          { Variable: "$.published.missing", NumericEquals: 0, Next: "Shard done" },
          // Batch has tried that job again as often as it may.
          { Variable: "$.failure", IsPresent: true, Next: "Shard failed" },
          { Variable: "$.round", NumericGreaterThanEquals: segmentRounds, Next: "Shard failed" },
        ],
        Default: "Again",
      },
      Again: {
        Type: "Pass",
        Parameters: {
          "pipeline.$": "$.pipeline",
          "run_id.$": "$.run_id",
          "shard.$": "$.shard",
          "share.$": "$.share",
          "round.$": "States.MathAdd($.round, 1)",
        },
        Next: "Segment",
      },
      "Shard done": { Type: "Pass", Result: {}, End: true },
      "Shard failed": {
        Type: "Fail",
        Error: "SHARD_INCOMPLETE",
        Cause: `Images of this shard have no outcome. Exit ${segmentExit.stopped} of its job: the run was stopped.`,
      },
    },
  };
}

function summarize(functionArn: string, ending: State): State {
  return {
    ...invoke(functionArn, { "pipeline.$": "$.plan.run.pipeline", "run_id.$": "$.plan.run.run_id", ...ending }),
    ResultSelector: { "status.$": "$.Payload.status", "report.$": "$.Payload.report" },
    ResultPath: "$.summary",
  };
}

/** The key of the list of shards: plan tells it below the staging store. */
function keyBelow(prefix: string): string {
  return prefix === "" ? "$.plan.run.map_key" : `States.Format('${prefix}{}', $.plan.run.map_key)`;
}
