import type { ItemOutcome } from "./contracts.js";
import { readOutcomes } from "./json-lines.js";
import { stagingKeys } from "./keys.js";
import type { ObjectStore } from "./ports.js";
import { outcomesNamed } from "./staged-names.js";

/**
 * Every outcome of a run that has been published, or needed no publishing, each item's once: one listing, and a read a shard.
 * What waits in packs is none yet. Memory holds the keys of one unfinished shard.
 *
 * @throws ClustsegError OUTCOME_INVALID, or a STORE_* code
 */
export async function* publishedOutcomes(staging: ObjectStore, runId: string): AsyncGenerator<ItemOutcome> {
  const { outcomes: prefix } = stagingKeys(runId);
  let shard = "";
  let isComplete = false;
  let seen = new Set<string>();
  // "00007.jsonl", the whole shard, comes before "00007/0000.jsonl", what came of a pack: "." is before "/".
  for await (const { key } of staging.list(prefix)) {
    const name = outcomesNamed(key);
    if (name === undefined) continue;
    if (name.of !== "pack") {
      if (name.of === "shard") [shard, isComplete] = [name.shard, true];
      yield* readOutcomes(staging, key);
      continue;
    }
    if (name.shard !== shard) {
      [shard, isComplete] = [name.shard, false];
      seen = new Set();
    }
    if (isComplete) continue;
    for await (const outcome of readOutcomes(staging, key)) {
      if (seen.has(outcome.key)) continue;
      seen.add(outcome.key);
      yield outcome;
    }
  }
}
