import { planRun } from "../../functions/plan/plan-run.js";
import { publishRunShard } from "../../functions/publish/publish.js";
import { summarizeRun } from "../../functions/summarize/summarize-run.js";
import { checkResultFiles } from "../../layers/model/check-files.js";
import { type MapItem, mapItemSchema, type Pipeline } from "../../layers/pipeline/cloud-contracts.js";
import { readRequest } from "../../layers/pipeline/intake.js";
import { type RunStores, type Segmenter, systemClock } from "../../layers/pipeline/ports.js";
import { segmentShard } from "../../layers/pipeline/segment-shard.js";
import type { Asked } from "./model.js";

export const stages = ["plan", "segment", "publish", "summarize"] as const;
export type Stage = (typeof stages)[number];

export interface CloudRun {
  readonly stores: RunStores;
  readonly segmenter: Segmenter;
  readonly asked: Asked;
  readonly shardImages: number;
  /** Images in the segmenter at once. @default 4 */
  readonly concurrency?: number;
  /** Called before and after each call of a stage. */
  readonly onStage?: (stage: Stage) => void;
  readonly onOutcome?: () => void;
}

export interface CloudRunResult {
  readonly shards: number;
  readonly seconds: Readonly<Record<Stage, number>>;
  readonly cpuSeconds: Readonly<Record<Stage, number>>;
}

/**
 * A run as the state machine has it, on this process: the stages' own code, one after the other, with the settings that the
 * functions and the container give them. What the cloud adds to it (starts of containers, calls of functions, the network) is
 * not here.
 *
 * @throws Error when an image has no result: its time would not count
 */
export async function runAsCloud(run: CloudRun): Promise<CloudRunResult> {
  const { stores, segmenter, asked, concurrency = 4 } = run;
  const { uploads, staging, results } = stores;
  const pipeline: Pipeline = {
    name: "bench",
    model: { ...segmenter.model, tasks: [...segmenter.model.tasks] },
    task: asked.task,
    parameters: { ...asked.parameters },
    formats: [],
  };
  const clocks = new StageClocks(run.onStage);
  const planned = await clocks.of("plan", () =>
    planRun(
      { pipeline: pipeline.name, submit: { prefix: "", run_id: "bench" } },
      {
        uploads,
        staging,
        resultsOf: () => results,
        sourceOf: async () => ({ kind: "prefix", prefix: "" }),
        pipelines: [pipeline],
        shard: { items: run.shardImages, bytes: 2 * 1024 ** 3 },
        quick: undefined,
        clock: systemClock,
      },
    ),
  );
  const input = { pipeline: pipeline.name, run_id: planned.run_id };
  const { body } = await staging.get(planned.map_key);
  const shards: MapItem[] = mapItemSchema.array().parse(JSON.parse(new TextDecoder().decode(body)));
  for (const { shard } of shards) {
    await clocks.of("segment", async () =>
      segmentShard({
        stores: { uploads, staging },
        segmenter,
        request: await readRequest(staging, planned.run_id),
        shard,
        concurrency,
        fetchAhead: Math.max(4, 2 * concurrency),
        watchStop: true,
        sharedBudget: { maxRatio: 0.5 },
        onOutcome: () => run.onOutcome?.(),
      }),
    );
    const { missing } = await clocks.of("publish", () =>
      publishRunShard(
        { ...input, shard },
        {
          staging,
          resultsOf: () => results,
          pipelines: [pipeline],
          failureBudget: { maxRatio: 0.5 },
          checkFiles: checkResultFiles,
          clock: systemClock,
        },
      ),
    );
    if (missing > 0) throw new Error(`${missing} images of shard ${shard} have no outcome`);
  }
  const { items, status } = await clocks.of("summarize", () =>
    summarizeRun(
      { ...input, status: "completed" },
      { staging, resultsOf: () => results, pipelines: [pipeline], clock: systemClock, notify: async () => {} },
    ),
  );
  if (status !== "completed" || items.segmented !== items.total) {
    throw new Error(`the run ended as ${status}, ${items.segmented} of ${items.total} images segmented`);
  }
  return { shards: shards.length, seconds: clocks.seconds, cpuSeconds: clocks.cpuSeconds };
}

/** Time and CPU time of this process, by stage. */
class StageClocks {
  readonly seconds: Record<Stage, number> = { plan: 0, segment: 0, publish: 0, summarize: 0 };
  readonly cpuSeconds: Record<Stage, number> = { plan: 0, segment: 0, publish: 0, summarize: 0 };
  readonly #onStage: ((stage: Stage) => void) | undefined;

  constructor(onStage: ((stage: Stage) => void) | undefined) {
    this.#onStage = onStage;
  }

  async of<T>(stage: Stage, work: () => Promise<T>): Promise<T> {
    this.#onStage?.(stage);
    const begin = performance.now();
    const before = process.cpuUsage();
    const value = await work();
    const { user, system } = process.cpuUsage(before);
    this.seconds[stage] += (performance.now() - begin) / 1000;
    this.cpuSeconds[stage] += (user + system) / 1e6;
    return value;
  }
}
