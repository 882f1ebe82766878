import type { ItemOutcome } from "../../layers/pipeline/contracts.js";
import { readOutcomes } from "../../layers/pipeline/json-lines.js";
import { runItemsKey, stagingKeys } from "../../layers/pipeline/keys.js";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import { outcomesNamed } from "../../layers/pipeline/staged-names.js";

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
    const name = outcomesNamed(key);
    if (name?.of === "shard") whole.add(name.shard);
  }
  for await (const { key } of staging.list(prefix)) {
    const name = outcomesNamed(key);
    if (name === undefined) continue;
    // Parts of a shard whose outcomes have been put together are about to be deleted.
    if (name.of !== "pack" || !whole.has(name.shard)) yield* readOutcomes(staging, key);
  }
}
