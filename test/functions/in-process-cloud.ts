import { startRuns } from "../../functions/intake/start-runs.js";
import { planRun } from "../../functions/plan/plan-run.js";
import { submittedSource } from "../../functions/plan/submitted-source.js";
import { publishRunShard } from "../../functions/publish/publish.js";
import { quickShard } from "../../functions/quick/quick-shard.js";
import { type RunNotice, summarizeRun } from "../../functions/summarize/summarize-run.js";
import {
  type ExecutionInput,
  executionInputSchema,
  type Pipeline,
  type PublishOutput,
  parseValue,
  pipelinePrefix,
  type SummarizeOutput,
} from "../../layers/pipeline/cloud-contracts.js";
import type { ItemOutcome, UploadEvent } from "../../layers/pipeline/contracts.js";
import type { FailureBudget } from "../../layers/pipeline/failure-budget.js";
import { readRequest } from "../../layers/pipeline/intake.js";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import { segmentShard } from "../../layers/pipeline/segment-shard.js";
import type { FileCheck } from "../../layers/pipeline/validate-item.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { blockSegmenter } from "../pipeline/block-segmenter.js";
import { Bucket, Death } from "./bucket.js";

export const blocks: Pipeline = {
  name: "blocks",
  model: { name: "blocks", version: "1.0.0", sha256: "ab".repeat(32), tasks: ["superpixel"] },
  task: "superpixel",
  parameters: { block: 8 },
  formats: [],
};

export interface CloudOptions {
  readonly versioned?: boolean;
  readonly pipelines?: readonly Pipeline[];
  readonly shardItems?: number;
  readonly quick?: boolean;
  readonly failureBudget?: FailureBudget;
  readonly checkFiles?: FileCheck;
  /** Shards one after another. @default all at once */
  readonly inTurn?: boolean;
  /** Milliseconds that an image takes. */
  readonly delayMs?: number;
}

/** The functions on buckets in memory, and the state machine as a loop: each stage is repeated when it dies or says so. */
export function inProcessCloud(options: CloudOptions = {}) {
  const { pipelines = [blocks], shardItems = 4, quick = false, failureBudget = {} } = options;
  const time = { now: Date.parse("2026-01-01T00:00:00Z") };
  const persistently = persistentlyAt(time);
  const uploads = new Bucket("s3://uploads/", time, { versioned: options.versioned ?? false });
  const staging = new Bucket("s3://staging/", time);
  const results = new Bucket("s3://results/", time);
  const clock = { now: () => time.now };
  const segmenter = blockSegmenter({ delayMs: () => options.delayMs ?? 0 });
  const executions = new Map<string, ExecutionInput>();
  const notices: RunNotice[] = [];
  const outcomes: ItemOutcome[] = [];
  const shared = { staging, pipelines, clock, resultsOf: ({ name }: Pipeline) => below(results, pipelinePrefix(name)) };

  const receive = (events: readonly UploadEvent[]) =>
    startRuns(events, {
      stores: { uploads, staging },
      pipelines,
      shard: { items: shardItems, bytes: 2 ** 30 },
      clock,
      start: async (name, input) => {
        if (executions.has(name)) return "exists";
        executions.set(name, input);
        return "started";
      },
    });

  const segment = async (runId: string, shard: string) =>
    segmentShard({
      stores: { uploads, staging },
      request: await readRequest(staging, runId),
      segmenter,
      shard,
      packItems: 3,
      watchStop: true,
      crashGuard: true,
      sharedBudget: failureBudget,
      clock,
    });

  const publish = (input: { pipeline: string; run_id: string; shard: string }): Promise<PublishOutput> =>
    publishRunShard(input, {
      ...shared,
      failureBudget,
      busyWaitMs: [1],
      checkFiles: options.checkFiles ?? (async () => {}),
      onOutcome: (outcome) => outcomes.push(outcome),
    });

  const runShard = async (input: { pipeline: string; run_id: string; shard: string }): Promise<void> => {
    for (let round = 0; round < 3; round++) {
      await persistently(() => segment(input.run_id, input.shard)).catch((error: unknown) => {
        if (!(error instanceof ClustsegError)) throw error;
      });
      if ((await persistently(() => publish(input))).missing === 0) return;
    }
    throw new ClustsegError("INTERNAL", "SHARD_INCOMPLETE", { hint: "" });
  };

  const planStage = (input: ExecutionInput) =>
    planRun(input, {
      ...shared,
      uploads,
      sourceOf: (submit) => submittedSource(submit, { uploads, staging, open: () => uploads }),
      shard: { items: shardItems, bytes: 2 ** 30 },
      quick: quick ? { maxImages: 20, maxBytes: 2 ** 20 } : undefined,
    });

  /** One execution of the state machine. */
  const execute = async (name: string, given: ExecutionInput): Promise<SummarizeOutput> => {
    const input = parseValue(executionInputSchema, JSON.parse(JSON.stringify(given)), "EVENT_INVALID", "input");
    const { pipeline } = input;
    let runId = name;
    let status: "completed" | "failed" = "completed";
    try {
      const planned = await persistently(() => planStage(input));
      runId = planned.run_id;
      if (planned.route === "quick") {
        const shard = planned.shard!;
        await persistently(() =>
          quickShard(
            { pipeline, run_id: runId, shard },
            {
              stores: { uploads, staging },
              pipelines,
              segmenterOf: async () => segmenter,
              failureBudget,
              signal: new AbortController().signal,
            },
          ),
        );
        await persistently(() => publish({ pipeline, run_id: runId, shard }));
      } else if (planned.route === "batch") {
        const shards: { shard: string }[] = JSON.parse(await staging.text(planned.map_key));
        const run = ({ shard }: { shard: string }) => runShard({ pipeline, run_id: runId, shard });
        if (options.inTurn) for (const shard of shards) await run(shard);
        else await Promise.all(shards.map(run));
      }
    } catch (error) {
      if (!(error instanceof ClustsegError)) throw error;
      status = "failed";
    }
    return persistently(() =>
      summarizeRun(
        { pipeline, run_id: runId, status },
        { ...shared, notify: async (told) => void notices.push(...told) },
      ),
    );
  };

  const plan = (runId: string) => planStage({ pipeline: pipelines[0]!.name, run_id: runId });
  const executeAll = () => Promise.all([...executions].map(([name, input]) => execute(name, input)));
  return {
    uploads,
    staging,
    results,
    segmenter,
    executions,
    notices,
    outcomes,
    receive,
    plan,
    segment,
    publish,
    execute,
    executeAll,
    persistently,
  };
}

/** As the state machine and SQS retry what dies or may pass. */
function persistentlyAt(time: { now: number }) {
  return async <T>(stage: () => Promise<T>): Promise<T> => {
    for (let attempt = 0; ; attempt++) {
      try {
        return await stage();
      } catch (error) {
        const passes = error instanceof Death || (error instanceof ClustsegError && error.retryable);
        if (!passes || attempt === 40) throw error;
        // A claim of a dead publisher is waited for.
        if (error instanceof ClustsegError && error.code === "RESULT_BUSY") {
          time.now += 60_000;
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      }
    }
  };
}

/** What lies below a prefix of a store, as a store. */
export function below(store: ObjectStore, prefix: string): ObjectStore {
  return {
    uri: `${store.uri}${prefix}`,
    head: (key) => store.head(prefix + key),
    get: (key, options) => store.get(prefix + key, options),
    lines: (key) => store.lines(prefix + key),
    put: (key, body, options) => store.put(prefix + key, body, options),
    putLines: (key, lines) => store.putLines(prefix + key, lines),
    delete: (key) => store.delete(prefix + key),
    async *list(under) {
      for await (const info of store.list(prefix + under)) yield { ...info, key: info.key.slice(prefix.length) };
    },
  };
}
