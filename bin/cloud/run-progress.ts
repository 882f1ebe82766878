import type { ItemOutcome, Plan } from "../../layers/pipeline/contracts.js";
import { readRequest } from "../../layers/pipeline/intake.js";
import { readOutcomes } from "../../layers/pipeline/json-lines.js";
import { runsPrefix, stagingKeys } from "../../layers/pipeline/keys.js";
import { packHeaderOutcomes, packHeaderRange, packStartBytes } from "../../layers/pipeline/pack.js";
import { readPlan } from "../../layers/pipeline/plan.js";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import type { RunCounts } from "../../layers/pipeline/run-events.js";
import { mapBounded } from "../../layers/pipeline/semaphore.js";
import { countsNamed, outcomesNamed, type PackName, packNamed } from "../../layers/pipeline/staged-names.js";
import { ClustsegError } from "../../layers/segments/errors.js";

/** How far a run has come, as far as staging tells. */
export interface RunProgress {
  /** undefined: it is not planned yet. */
  readonly counts: RunCounts | undefined;
  readonly shards: { readonly total: number; readonly done: number };
  /** Packs of segmented images that wait to be published. */
  readonly packs: number;
}

export interface ShardCounts {
  readonly segmented: number;
  readonly rejected: number;
}

/** Counts of objects in staging that never change, by key. */
export type CountedUnits = Map<string, ShardCounts>;

/** Objects that one look at a run opens; a watcher's next look opens the next ones. */
const mostOpened = 100;
const opensAtOnce = 16;

/**
 * From three listings: publish says with a key of its own what came of each shard, so that of those that are done nothing has
 * to be opened. Of shards at work the headers of packs are read, each once if `counted` is kept.
 *
 * @returns undefined when staging holds nothing of the run
 */
export async function runProgress(
  staging: ObjectStore,
  runId: string,
  counted: CountedUnits = new Map(),
): Promise<RunProgress | undefined> {
  const made = await readPlan(staging, runId);
  if (made === undefined) {
    const request = await readRequest(staging, runId).catch((error: unknown) => {
      if (error instanceof ClustsegError && error.code === "RUN_NOT_FOUND") return undefined;
      throw error;
    });
    return request && { counts: undefined, shards: { total: 0, done: 0 }, packs: 0 };
  }
  const keys = stagingKeys(runId);
  const [said, packs, outcomes] = await Promise.all([
    shardCounts(staging, keys.counts),
    namedBelow(staging, keys.packs, packNamed),
    namedBelow(staging, keys.outcomes, outcomesNamed),
  ]);
  const whole = new Map<string, string>();
  for (const [key, name] of outcomes) if (name.of === "shard") whole.set(name.shard, key);
  // A run that was gone on with has shards that are done and of which nothing is said any more.
  const open = [...whole].filter(([shard]) => !said.has(shard)).map(([, key]) => key);
  const published = new Set<string>();
  const units = [...open];
  for (const [key, name] of outcomes) {
    if (name.of !== "pack" || whole.has(name.shard)) continue;
    published.add(unitOf(name));
    units.push(key);
  }
  for (const [key, name] of packs) {
    // Between publishing a pack and deleting it both are there.
    if (!whole.has(name.shard) && !published.has(unitOf(name))) units.push(key);
  }
  await count(staging, units, counted);

  const known = [...whole.keys()].flatMap((shard) => said.get(shard) ?? []);
  const all = [...known, ...units.flatMap((key) => counted.get(key) ?? [])];
  return {
    counts: countsOf(made, all),
    shards: { total: made.shards.length, done: whole.size },
    packs: packs.length,
  };
}

function countsOf({ items: total, skipped }: Plan, all: readonly ShardCounts[]): RunCounts {
  const segmented = all.reduce((sum, one) => sum + one.segmented, 0);
  const rejected = all.reduce((sum, one) => sum + one.rejected, 0);
  return { total, done: Math.min(total, skipped + segmented + rejected), segmented, skipped, rejected };
}

/** The same of a pack and of the outcomes of it. */
function unitOf({ shard, pack }: PackName): string {
  return `${shard}/${pack}`;
}

/** Count what is not counted yet, a part of it at a time. */
async function count(staging: ObjectStore, keys: readonly string[], counted: CountedUnits): Promise<void> {
  const fresh = keys.filter((key) => !counted.has(key)).slice(0, mostOpened);
  await mapBounded(fresh, opensAtOnce, async (key) => {
    const counts = await (key.endsWith(".pack") ? countPack(staging, key) : countOutcomes(staging, key));
    if (counts !== undefined) counted.set(key, counts);
  });
}

/** undefined when it is gone or no pack: it is published, or segmented again, and told of then. */
async function countPack(staging: ObjectStore, key: string): Promise<ShardCounts | undefined> {
  return unlessGone(async () => {
    const start = await staging.get(key, { range: { start: 0, end: packStartBytes } });
    const header = await staging.get(key, { range: packHeaderRange(start.body), ifMatch: start.info.etag });
    return tally(packHeaderOutcomes(header.body));
  });
}

async function countOutcomes(staging: ObjectStore, key: string): Promise<ShardCounts | undefined> {
  return unlessGone(async () => {
    const outcomes: ItemOutcome[] = [];
    for await (const outcome of readOutcomes(staging, key)) outcomes.push(outcome);
    return tally(outcomes);
  });
}

async function unlessGone(work: () => Promise<ShardCounts>): Promise<ShardCounts | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ClustsegError && (error.fault === "input" || error.code === "PACK_DAMAGED")) return undefined;
    throw error;
  }
}

function tally(outcomes: readonly ItemOutcome[]): ShardCounts {
  const counts = { segmented: 0, skipped: 0, rejected: 0 };
  for (const { status } of outcomes) counts[status]++;
  return { segmented: counts.segmented, rejected: counts.rejected };
}

/** What came of each shard, from the keys below runs/<id>/counts/: `<shard>.<segmented>.<rejected>`. */
export async function shardCounts(staging: ObjectStore, prefix: string): Promise<Map<string, ShardCounts>> {
  const found = new Map<string, ShardCounts>();
  for await (const { key } of staging.list(prefix)) {
    const name = countsNamed(key);
    if (name === undefined) continue;
    const { shard, ...counts } = name;
    const earlier = found.get(shard);
    // A shard that was published in two goes has two keys, of which the later one counts more.
    if (earlier === undefined || total(earlier) < total(counts)) found.set(shard, counts);
  }
  return found;
}

/** Keys that are called as `named` knows them, with what their names say. */
async function namedBelow<T>(
  staging: ObjectStore,
  prefix: string,
  named: (key: string) => T | undefined,
): Promise<[key: string, name: T][]> {
  const found: [string, T][] = [];
  for await (const { key } of staging.list(prefix)) {
    const name = named(key);
    if (name !== undefined) found.push([key, name]);
  }
  return found;
}

/** Is there anything of the run in staging? */
export async function hasStaging(staging: ObjectStore, runId: string): Promise<boolean> {
  for await (const _ of staging.list(`${runsPrefix}${runId}/`)) return true;
  return false;
}

function total({ segmented, rejected }: ShardCounts): number {
  return segmented + rejected;
}
