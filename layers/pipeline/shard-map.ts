import type { MapItem } from "./cloud-contracts.js";
import type { Plan } from "./contracts.js";
import { stagingKeys } from "./keys.js";
import type { ObjectStore } from "./ports.js";
import { outcomesNamed } from "./staged-names.js";

/** The shards of a plan that are not done: which have no file of all their outcomes. */
export async function shardsToDo(staging: ObjectStore, plan: Plan): Promise<MapItem[]> {
  const { outcomes } = stagingKeys(plan.run_id);
  const done = new Set<string>();
  for await (const { key } of staging.list(outcomes)) {
    const name = outcomesNamed(key);
    if (name?.of === "shard") done.add(name.shard);
  }
  return plan.shards.filter(({ shard }) => !done.has(shard)).map(({ shard, items }) => ({ shard, items }));
}

/** Write what the state machine hands out, a JSON array. */
export async function writeShardMap(staging: ObjectStore, runId: string, shards: readonly MapItem[]): Promise<string> {
  const { map: key } = stagingKeys(runId);
  const body = new TextEncoder().encode(`[${shards.map((shard) => JSON.stringify(shard)).join(",\n")}]\n`);
  await staging.put(key, body, { contentType: "application/json" });
  return key;
}
