import { readOutcomes } from "./json-lines.js";
import { stagingKeys } from "./keys.js";
import type { ObjectStore } from "./ports.js";
import { countsNamed } from "./staged-names.js";

/** What came of the images of some shards; skipped ones are in none. */
export interface ShardCounts {
  readonly segmented: number;
  readonly rejected: number;
}

/** Counts of a shard that is done, from its outcomes. */
export async function countShard(staging: ObjectStore, runId: string, shard: string): Promise<ShardCounts> {
  const counts = { segmented: 0, skipped: 0, rejected: 0 };
  for await (const { status } of readOutcomes(staging, stagingKeys(runId).shardOutcomes(shard))) counts[status]++;
  return { segmented: counts.segmented, rejected: counts.rejected };
}

/** Say what came of a shard that is done. The same again writes nothing. */
export async function writeShardCounts(
  staging: ObjectStore,
  runId: string,
  shard: string,
  { segmented, rejected }: ShardCounts,
): Promise<void> {
  const key = stagingKeys(runId).shardCounts(shard, segmented, rejected);
  await staging.put(key, new TextEncoder().encode("{}\n"), { ifAbsent: true });
}

/** Over all shards of a run that are done: one listing, whatever they hold. */
export async function sumShardCounts(staging: ObjectStore, runId: string): Promise<ShardCounts> {
  let segmented = 0;
  let rejected = 0;
  for await (const { key } of staging.list(stagingKeys(runId).counts)) {
    const counts = countsNamed(key);
    segmented += counts?.segmented ?? 0;
    rejected += counts?.rejected ?? 0;
  }
  return { segmented, rejected };
}

/** A run that goes on after it was stopped begins a new count: else it would be over its budget before it has begun. */
export async function clearShardCounts(staging: ObjectStore, runId: string): Promise<void> {
  for await (const { key } of staging.list(stagingKeys(runId).counts)) await staging.delete(key);
}
