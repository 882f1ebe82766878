import type { ItemOutcome, Plan, RunReport, RunRequest } from "./contracts.js";
import { readOutcomes } from "./json-lines.js";
import { reportKey, runItemsKey, runReportKey, stagingKeys } from "./keys.js";
import { type Clock, type RunStores, systemClock } from "./ports.js";
import { readShardState } from "./shard.js";
import { outcomesNamed } from "./staged-names.js";

export interface SummarizeOptions {
  readonly stores: Pick<RunStores, "staging" | "results">;
  readonly request: RunRequest;
  readonly plan: Plan;
  /** How the run ended, or what that is by the counts of its items. @default "completed" */
  readonly status?: RunReport["status"] | ((items: RunReport["items"]) => RunReport["status"]);
  /** The run's outcomes. @default all of its staging, those in packs that wait to be published included */
  readonly outcomes?: AsyncIterable<ItemOutcome>;
  /** Write report.json, the latest report, too. Runs that end at the same time would take turns. @default true */
  readonly latest?: boolean;
  /** Milliseconds since 1970. @default the request's created_at */
  readonly startedAt?: number;
  /** Images segmented or rejected since `startedAt`. @default all */
  readonly worked?: number;
  readonly clock?: Clock;
}

/** Rejected images that the report itself lists; all of them are in the items file. */
export const maxReportedRejects = 100;

/**
 * Write reports/<run>.items.jsonl (one outcome a line, streamed), reports/<run>.json and report.json, and return the report.
 * Neither memory nor the report grows with the number of images.
 *
 * @throws ClustsegError OUTCOME_INVALID, or a STORE_* code
 */
export async function summarize(options: SummarizeOptions): Promise<RunReport> {
  const { stores, request, plan, status = "completed", latest = true, clock = systemClock } = options;
  const tally = new Tally();
  const outcomes = options.outcomes ?? allOutcomes(stores, plan);
  await stores.results.putLines(runItemsKey(request.run_id), tally.lines(outcomes));

  const { segmented, skipped, rejected } = tally.counts;
  const startedAt = options.startedAt ?? Date.parse(request.created_at);
  const seconds = Math.max(0, clock.now() - startedAt) / 1000;
  const worked = options.worked ?? segmented + rejected;
  const { decode, infer, encode } = tally.ms;
  const items = {
    total: plan.items,
    segmented,
    skipped,
    rejected,
    pending: plan.items - segmented - skipped - rejected,
  };
  const report: RunReport = {
    schema: "clustseg.report/1",
    run_id: request.run_id,
    status: typeof status === "function" ? status(items) : status,
    source: request.source,
    results: stores.results.uri,
    model: request.model,
    task: request.task,
    parameters: request.parameters,
    formats: request.formats,
    items,
    rejected_by_code: Object.fromEntries([...tally.byCode].sort(([a], [b]) => (a < b ? -1 : 1))),
    rejected: tally.rejected,
    ...(segmented === 0
      ? {}
      : {
          segments: tally.segments.value(),
          ms: { decode: decode.value(), infer: infer.value(), encode: encode.value() },
        }),
    started_at: new Date(startedAt).toISOString(),
    finished_at: new Date(clock.now()).toISOString(),
    seconds,
    images_per_second: seconds === 0 ? 0 : round(worked / seconds),
    items_file: runItemsKey(request.run_id),
  };
  const body = new TextEncoder().encode(`${JSON.stringify(report, undefined, 2)}\n`);
  for (const key of [runReportKey(request.run_id), ...(latest ? [reportKey] : [])]) {
    await stores.results.put(key, body, { contentType: "application/json" });
  }
  return report;
}

/** Every outcome of the run so far, each item's once. */
async function* allOutcomes({ staging }: SummarizeOptions["stores"], plan: Plan): AsyncGenerator<ItemOutcome> {
  const keys = stagingKeys(plan.run_id);
  if (plan.skipped > 0) {
    for await (const { key } of staging.list(`${keys.outcomes}skipped-`)) {
      if (outcomesNamed(key)?.of === "skipped") yield* readOutcomes(staging, key);
    }
  }
  for (const { shard } of plan.shards) {
    const state = await readShardState(staging, plan.run_id, shard, { dropDamaged: false });
    yield* state.outcomes.values();
  }
}

class Tally {
  readonly counts = { segmented: 0, skipped: 0, rejected: 0 };
  readonly byCode = new Map<string, number>();
  readonly rejected: RunReport["rejected"] = [];
  readonly segments = new Spread();
  readonly ms = { decode: new Spread(), infer: new Spread(), encode: new Spread() };

  async *lines(outcomes: AsyncIterable<ItemOutcome>): AsyncGenerator<string> {
    for await (const outcome of outcomes) {
      this.#add(outcome);
      yield JSON.stringify(outcome);
    }
  }

  #add(outcome: ItemOutcome): void {
    this.counts[outcome.status]++;
    if (outcome.status === "segmented") {
      this.segments.add(outcome.segments);
      for (const stage of ["decode", "infer", "encode"] as const) this.ms[stage].add(outcome.ms[stage]);
    } else if (outcome.status === "rejected") {
      const { code } = outcome.error;
      this.byCode.set(code, (this.byCode.get(code) ?? 0) + 1);
      if (this.rejected.length < maxReportedRejects) this.rejected.push({ key: outcome.key, ...outcome.error });
    }
  }
}

class Spread {
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  #sum = 0;
  #count = 0;

  add(value: number): void {
    this.#min = Math.min(this.#min, value);
    this.#max = Math.max(this.#max, value);
    this.#sum += value;
    this.#count++;
  }

  value(): { min: number; mean: number; max: number } {
    return { min: round(this.#min), mean: round(this.#sum / this.#count), max: round(this.#max) };
  }
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
