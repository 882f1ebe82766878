import type { StopMarker } from "./cloud-contracts.js";
import type { ItemOutcome, RunRequest } from "./contracts.js";
import { checkBudget, type FailureBudget } from "./failure-budget.js";
import { type Clock, type RunStores, systemClock } from "./ports.js";
import { sumShardCounts } from "./shard-counts.js";
import { readStop, stopRun } from "./stop.js";

export interface RunWatchOptions {
  readonly stores: Pick<RunStores, "staging">;
  readonly request: RunRequest;
  readonly watchStop?: boolean;
  readonly sharedBudget?: FailureBudget;
  readonly clock?: Clock;
}

/** Tells a worker when its run is to stop: because somebody has said so, or because the failure budget is spent. */
export class RunWatch {
  stopped: StopMarker["reason"] | undefined;
  readonly #options: RunWatchOptions;
  readonly #counts = { segmented: 0, rejected: 0 };

  constructor(options: RunWatchOptions) {
    this.#options = options;
  }

  /** @param earlier outcomes of this shard so far */
  async begin(earlier: Iterable<ItemOutcome>): Promise<void> {
    await this.look();
    const { stores, request, sharedBudget } = this.#options;
    if (sharedBudget === undefined) return;
    const others = await sumShardCounts(stores.staging, request.run_id);
    this.#counts.segmented += others.segmented;
    this.#counts.rejected += others.rejected;
    for (const outcome of earlier) this.count(outcome);
  }

  /** Is the stop marker there? */
  async look(): Promise<void> {
    const { stores, request, watchStop = false } = this.#options;
    if (watchStop) this.stopped ??= await readStop(stores.staging, request.run_id);
  }

  count({ status }: ItemOutcome): void {
    if (status === "skipped") return;
    this.#counts[status]++;
    const { sharedBudget } = this.#options;
    if (sharedBudget === undefined || status !== "rejected") return;
    if (checkBudget(sharedBudget, this.#counts) !== undefined) this.stopped ??= "over_budget";
  }

  /** Tell the other workers. */
  async end(): Promise<void> {
    const { stores, request, clock = systemClock } = this.#options;
    if (this.stopped === "over_budget") await stopRun(stores.staging, request.run_id, "over_budget", clock);
  }
}
