import type { ItemOutcome } from "../../layers/pipeline/contracts.js";
import { readOutcomes } from "../../layers/pipeline/json-lines.js";
import { runItemsKey, stagingKeys } from "../../layers/pipeline/keys.js";
import type { ObjectStore } from "../../layers/pipeline/ports.js";

/**
 * What has come of a run's images so far: from the list beside its report, or, while there is none, from what was published
 * of it. Streamed; of each image once.
 */
export async function* runOutcomes(
  results: ObjectStore,
  staging: ObjectStore,
  runId: string,
): AsyncGenerator<ItemOutcome> {
  const items = runItemsKey(runId);
  if ((await results.head(items)) !== undefined) {
    yield* readOutcomes(results, items);
    return;
  }
  const prefix = stagingKeys(runId).outcomes;
  const whole = new Set<string>();
  for await (const { key } of staging.list(prefix)) {
    const shard = /^(\d{5,})\.jsonl$/.exec(key.slice(prefix.length))?.[1];
    if (shard !== undefined) whole.add(shard);
  }
  for await (const { key } of staging.list(prefix)) {
    if (!key.endsWith(".jsonl")) continue;
    // Parts of a shard whose outcomes have been put together are about to be deleted.
    const part = /^(\d{5,})\//.exec(key.slice(prefix.length))?.[1];
    if (part === undefined || !whole.has(part)) yield* readOutcomes(staging, key);
  }
}
