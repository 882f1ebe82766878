import { ClustsegError } from "../segments/errors.js";
import type { ItemOutcome, Plan, RunReport, RunRequest } from "./contracts.js";
import { checkBudget, type FailureBudget } from "./failure-budget.js";
import { type IntakeOptions, intake } from "./intake.js";
import { PackPublisher } from "./pack-publisher.js";
import { cancelled, plan, readPlan, removeRun } from "./plan.js";
import { type RunOwner, type RunStores, type Segmenter, systemClock } from "./ports.js";
import { publishPack, publishShard } from "./publish-shard.js";
import type { RunCounts, RunEvent } from "./run-events.js";
import { RunLock } from "./run-lock.js";
import { type SegmentShardOptions, segmentShard } from "./segment-shard.js";
import { packsOf, readShard, readShardState } from "./shard.js";
import { removeStaleRuns } from "./stale-runs.js";
import { summarize } from "./summarize.js";

type SegmentSettings = Pick<
  SegmentShardOptions,
  "concurrency" | "fetchAhead" | "fetchBytes" | "maxImageBytes" | "packItems" | "packBytes" | "packSeconds" | "signal"
>;

export interface RunOptions
  extends Omit<IntakeOptions, "stores" | "model" | "onListed" | "onIdentified">,
    SegmentSettings {
  readonly stores: RunStores;
  readonly segmenter: Segmenter;
  /** What a person called the source, for messages. @default its URI */
  readonly sourceName?: string;
  /** Who does this: then a run has one owner at a time. @default no lock, as whoever calls sees to it */
  readonly owner?: RunOwner;
  /** How often the owner says that it is still there. @default 20 s */
  readonly lockRenewMs?: number;
  /** @default none: bad images never stop the run */
  readonly failureBudget?: FailureBudget;
  /** Result reads at once while planning. @default 32 */
  readonly planConcurrency?: number;
  /** Items published at once. @default 4 */
  readonly publishConcurrency?: number;
  /** Called synchronously and often: keep it short. An error that it throws stops the run. */
  readonly onEvent?: (event: RunEvent) => void;
}

export interface RunResult {
  readonly status: RunReport["status"];
  readonly report: RunReport;
  /** RUN_CANCELLED or RUN_FAILURE_BUDGET when the run was not completed. */
  readonly error?: ClustsegError;
}

/**
 * A whole run in one process: intake, plan, then for each shard segment and publish, then summarize. It is the loop that the
 * state machine is in the cloud, over the same stages. A pack is published while the next is being segmented.
 *
 * Killed at any moment, the same call goes on where it was and ends in byte-identical results; after it has ended, the same
 * call segments only what is new, has changed or was rejected. A run that was cancelled by `signal` keeps its place; one that
 * is over its failure budget ends, and rejected images are tried again next time. What other runs left in staging long ago,
 * and nobody went on with, is removed.
 *
 * @throws ClustsegError SOURCE_EMPTY, TASK_UNSUPPORTED, RUN_CANCELLED (before the first image), RUN_CONFLICT, STORE_* and
 *   MODEL_* codes: what no image is to blame for
 */
export async function runPipeline(options: RunOptions): Promise<RunResult> {
  const { stores, owner, clock = systemClock, lockRenewMs, signal } = options;
  const lock = new RunLock({ staging: stores.staging, owner, clock, renewMs: lockRenewMs });
  const stop = signal === undefined ? lock.lost : AbortSignal.any([signal, lock.lost]);
  try {
    return await runStages({ ...options, signal: stop }, lock);
  } catch (error) {
    // What it came to without its lock says less than that.
    lock.lost.throwIfAborted();
    throw error;
  } finally {
    await lock.release();
  }
}

async function runStages(options: RunOptions, lock: RunLock): Promise<RunResult> {
  const { stores, segmenter, owner, clock = systemClock, signal, onEvent } = options;
  const startedAt = clock.now();
  const request = await intake({
    ...options,
    model: segmenter.model,
    onIdentified: (runId) => lock.take(runId),
    onListed: (items) => {
      if (signal?.aborted) throw cancelled();
      onEvent?.({ type: "listing", items });
    },
  });
  const { run_id: runId } = request;
  if (request.manifest.items === 0) {
    throw new ClustsegError("SOURCE_EMPTY", `no images in ${options.sourceName ?? stores.uploads.uri}`, {
      hint: "Check the path; images are recognised by their extension (.jpg, .png, .webp, .tif, …).",
    });
  }
  await removeStaleRuns({ staging: stores.staging, except: runId, owner, clock });
  const { made, resumed } = await planOrResume(options, request);
  const run = new RunLoop(options, request, made);
  if (resumed) await run.countEarlier();
  onEvent?.({ type: "planned", runId, shards: made.shards.length, resumed, counts: run.counts });

  await run.shards();
  lock.lost.throwIfAborted();
  const error = run.overBudget ?? (run.counts.done < run.counts.total ? cancelled() : undefined);
  const status = error === undefined ? "completed" : error === run.overBudget ? "over_budget" : "cancelled";
  const report = await summarize({ stores, request, plan: made, status, startedAt, worked: run.worked, clock });
  if (status !== "cancelled") await removeRun(stores.staging, runId);
  onEvent?.({ type: "finished", report });
  return error === undefined ? { status, report } : { status, report, error };
}

async function planOrResume(options: RunOptions, request: RunRequest): Promise<{ made: Plan; resumed: boolean }> {
  const { stores, planConcurrency, signal, onEvent } = options;
  const earlier = await readPlan(stores.staging, request.run_id);
  const resumed = earlier?.manifest_digest === request.manifest.digest;
  if (earlier !== undefined && !resumed) await rescuePacks(options, request, earlier);
  const made = await plan({
    stores,
    request,
    ...(planConcurrency === undefined ? {} : { concurrency: planConcurrency }),
    ...(signal === undefined ? {} : { signal }),
    onPlanned: (items) => onEvent?.({ type: "planning", items, total: request.manifest.items }),
  });
  return { made, resumed };
}

/** The source has changed since the run was killed. What it had segmented is published before it is planned anew. */
async function rescuePacks(options: RunOptions, request: RunRequest, earlier: Plan): Promise<void> {
  const { staging } = options.stores;
  for (const { shard } of earlier.shards) {
    const packs = await packsOf(staging, request.run_id, shard);
    if (packs.length === 0) continue;
    const items = await readShard(staging, request.run_id, shard);
    for (const pack of packs) {
      await publishPack(publishOptions(options, request, shard), items, pack).catch((error: unknown) => {
        // A pack that cannot be used is segmented again; a store that fails would fail for the rest, too.
        if (!(error instanceof ClustsegError) || error.code.startsWith("STORE_")) throw error;
      });
    }
  }
}

function publishOptions({ stores, publishConcurrency }: RunOptions, request: RunRequest, shard: string) {
  return { stores, request, shard, ...(publishConcurrency === undefined ? {} : { concurrency: publishConcurrency }) };
}

/** The shards of one run, one after another, and the count of what came of them. */
class RunLoop {
  /** Images segmented or rejected by this call. */
  worked = 0;
  overBudget: ClustsegError | undefined;
  readonly #options: RunOptions;
  readonly #request: RunRequest;
  readonly #plan: Plan;
  readonly #counts: { segmented: number; skipped: number; rejected: number };
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;

  constructor(options: RunOptions, request: RunRequest, made: Plan) {
    this.#options = options;
    this.#request = request;
    this.#plan = made;
    this.#counts = { segmented: 0, skipped: made.skipped, rejected: 0 };
    this.#signal = AbortSignal.any([this.#stop.signal, ...(options.signal === undefined ? [] : [options.signal])]);
  }

  get counts(): RunCounts {
    const { segmented, skipped, rejected } = this.#counts;
    return { total: this.#plan.items, done: segmented + skipped + rejected, segmented, skipped, rejected };
  }

  /** What an earlier call, that did not come to its end, has done. */
  async countEarlier(): Promise<void> {
    const { staging } = this.#options.stores;
    for (const { shard } of this.#plan.shards) {
      const state = await readShardState(staging, this.#request.run_id, shard, { dropDamaged: true });
      for (const { status } of state.outcomes.values()) this.#counts[status]++;
    }
    this.#checkBudget();
  }

  async shards(): Promise<void> {
    const shards = this.#plan.shards;
    for (const [index, { shard }] of shards.entries()) {
      if (this.#signal.aborted) return;
      const done = await this.#shard(shard);
      if (done) this.#options.onEvent?.({ type: "shard", shard, index, shards: shards.length });
    }
  }

  /** @returns whether each of its images has an outcome now */
  async #shard(shard: string): Promise<boolean> {
    const { stores, onEvent } = this.#options;
    const settings = publishOptions(this.#options, this.#request, shard);
    const items = await readShard(stores.staging, this.#request.run_id, shard);
    const publisher = new PackPublisher(settings, items, (count) =>
      onEvent?.({ type: "published", shard, items: count }),
    );
    try {
      await segmentShard({
        ...this.#options,
        signal: this.#signal,
        request: this.#request,
        shard,
        onPack: (pack, count) => publisher.publish(pack, count),
        onOutcome: (outcome) => this.#count(outcome),
      });
    } finally {
      await publisher.idle();
    }
    return (await publishShard(settings)).missing === 0;
  }

  #count(outcome: ItemOutcome): void {
    this.#counts[outcome.status]++;
    this.worked++;
    this.#options.onEvent?.({ type: "item", outcome, counts: this.counts });
    this.#checkBudget();
  }

  #checkBudget(): void {
    const { failureBudget } = this.#options;
    if (failureBudget === undefined || this.overBudget !== undefined) return;
    this.overBudget = checkBudget(failureBudget, this.#counts);
    if (this.overBudget !== undefined) this.#stop.abort();
  }
}
