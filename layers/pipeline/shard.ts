import { ClustsegError } from "../segments/errors.js";
import type { ItemOutcome, ManifestLine } from "./contracts.js";
import { readManifest, readOutcomes } from "./json-lines.js";
import { stagingKeys } from "./keys.js";
import { decodePack, type Pack } from "./pack.js";
import type { ObjectStore } from "./ports.js";
import { outcomesNamed, packNamed } from "./staged-names.js";

/** No pack is larger: one image's files beside `packBytes`. Bounds what reading a hostile pack may cost. */
export const maxPackBytes = 1024 ** 3;

/** The images of one shard; bounded by the request's shard_items, so it is held in memory. */
export async function readShard(staging: ObjectStore, runId: string, shard: string): Promise<ManifestLine[]> {
  const items: ManifestLine[] = [];
  for await (const item of readManifest(staging, stagingKeys(runId).shard(shard))) items.push(item);
  return items;
}

export interface ShardState {
  /** outcomes/<shard>.jsonl is there: nothing is left to do. */
  readonly complete: boolean;
  /** Outcomes by key, of packs that wait and of packs that were published. */
  readonly outcomes: ReadonlyMap<string, ItemOutcome>;
  /** Numbers of the packs that wait to be published, ascending. */
  readonly packs: readonly number[];
  /** A number that no pack of the shard has had. */
  readonly nextPack: number;
}

/**
 * How far a shard has come, from what lies in staging. With `dropDamaged`, packs that cannot be read are deleted, so that
 * their images are segmented again.
 */
export async function readShardState(
  staging: ObjectStore,
  runId: string,
  shard: string,
  options: { readonly dropDamaged: boolean },
): Promise<ShardState> {
  const keys = stagingKeys(runId);
  const outcomes = new Map<string, ItemOutcome>();
  const add = (outcome: ItemOutcome) => {
    // Two workers may have had the shard at once (a retry while the first still ran): the first outcome counts.
    if (!outcomes.has(outcome.key)) outcomes.set(outcome.key, outcome);
  };
  if ((await staging.head(keys.shardOutcomes(shard))) !== undefined) {
    for await (const outcome of readOutcomes(staging, keys.shardOutcomes(shard))) add(outcome);
    const leftover = await packsOf(staging, runId, shard);
    return { complete: true, outcomes, packs: leftover, nextPack: (leftover.at(-1) ?? -1) + 1 };
  }

  let highest = -1;
  for await (const { key } of staging.list(keys.shardOutcomeParts(shard))) {
    const name = outcomesNamed(key);
    if (name?.of !== "pack") continue;
    highest = Math.max(highest, name.pack);
    for await (const outcome of readOutcomes(staging, key)) add(outcome);
  }
  const packs: number[] = [];
  for (const number of await packsOf(staging, runId, shard)) {
    highest = Math.max(highest, number);
    try {
      for (const { outcome } of (await readPack(staging, runId, shard, number)).items) add(outcome);
      packs.push(number);
    } catch (error) {
      if (!options.dropDamaged || !(error instanceof ClustsegError) || !error.code.startsWith("PACK_")) throw error;
      await staging.delete(keys.pack(shard, number));
    }
  }
  return { complete: false, outcomes, packs, nextPack: highest + 1 };
}

/** Numbers of the packs of a shard that wait in staging, ascending. */
export async function packsOf(staging: ObjectStore, runId: string, shard: string): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { key } of staging.list(stagingKeys(runId).shardPacks(shard))) {
    const name = packNamed(key);
    if (name !== undefined) numbers.push(name.pack);
  }
  return numbers.sort((a, b) => a - b);
}

/** @throws ClustsegError PACK_DAMAGED also when the pack is another run's or shard's, OBJECT_NOT_FOUND */
export async function readPack(staging: ObjectStore, runId: string, shard: string, number: number): Promise<Pack> {
  const { body } = await staging.get(stagingKeys(runId).pack(shard, number), { maxBytes: maxPackBytes });
  const pack = await decodePack(body);
  if (pack.runId !== runId || pack.shard !== shard) {
    throw new ClustsegError("PACK_DAMAGED", `the pack belongs to shard ${pack.shard} of run ${pack.runId}`, {
      hint: "Do not move objects in the staging store by hand.",
    });
  }
  return pack;
}
