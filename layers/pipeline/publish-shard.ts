import { ClustsegError } from "../segments/errors.js";
import type { ItemOutcome, ManifestLine, ResultMetadata, RunRequest } from "./contracts.js";
import { readOutcomes, toLines } from "./json-lines.js";
import { stagingKeys } from "./keys.js";
import type { PackItem } from "./pack.js";
import { type Clock, type RunStores, systemClock } from "./ports.js";
import { publishItem } from "./publish-item.js";
import { publishItemShared } from "./publish-shared.js";
import { resultIds } from "./result-id.js";
import { mapBounded } from "./semaphore.js";
import { packsOf, readPack, readShard } from "./shard.js";
import { outcomesNamed } from "./staged-names.js";
import { type FileCheck, refused, validateItem } from "./validate-item.js";

export interface PublishOptions {
  readonly stores: Pick<RunStores, "staging" | "results">;
  readonly request: RunRequest;
  readonly shard: string;
  /** Items written at once. @default 4 */
  readonly concurrency?: number;
  /**
   * Others publish to the same results at the same time (see publish-shared.ts). Needs a store whose conditional writes are
   * atomic. @default false
   */
  readonly shared?: boolean;
  /** Waits before each further try of a result that another run is writing just then. @default none: RESULT_BUSY at once */
  readonly busyWaitMs?: readonly number[];
  /** @default none: only names, sizes and metadata.json are looked at */
  readonly checkFiles?: FileCheck;
  readonly clock?: Clock;
  /**
   * Told of a pack that is damaged, or holds what may not be published; it is dropped, so that its images count as missing.
   * @default such a pack is an error
   */
  readonly onRefused?: (pack: RefusedPack) => void;
  /** Told of each item when its pack has been published by this call. */
  readonly onOutcome?: (outcome: ItemOutcome) => void;
}

export interface RefusedPack {
  readonly pack: number;
  readonly error: ClustsegError;
}

export interface PublishedShard {
  /** Outcomes of the shard so far. */
  readonly outcomes: number;
  /** Images without an outcome: the shard is to be segmented again. */
  readonly missing: number;
}

/**
 * Turn a shard's packs into results, and its outcomes into one file. Each pack is validated before a byte of it is written:
 * the process that made it has decoded untrusted bytes. Safe to repeat: a result that lies there whole is not written again.
 *
 * @throws ClustsegError PACK_DAMAGED, PACK_FILE_REFUSED, METADATA_INVALID, or a STORE_* code
 */
export async function publishShard(options: PublishOptions): Promise<PublishedShard> {
  const { stores, request, shard } = options;
  const { staging } = stores;
  const keys = stagingKeys(request.run_id);
  const items = await readShard(staging, request.run_id, shard);
  for (const number of await packsOf(staging, request.run_id, shard)) {
    await publishPack(options, items, number).catch((error: unknown) => settle(options, number, error));
  }

  if ((await staging.head(keys.shardOutcomes(shard))) === undefined) {
    const outcomes = new Map<string, ItemOutcome>();
    for await (const { key } of staging.list(keys.shardOutcomeParts(shard))) {
      if (outcomesNamed(key)?.of !== "pack") continue;
      for await (const outcome of readOutcomes(staging, key)) {
        if (!outcomes.has(outcome.key)) outcomes.set(outcome.key, outcome);
      }
    }
    const inOrder = items.flatMap(({ key }) => outcomes.get(key) ?? []);
    const missing = items.length - inOrder.length;
    if (missing > 0) {
      // Another attempt may have ended the shard while we were reading, and have put the parts away.
      const ended = (await staging.head(keys.shardOutcomes(shard))) !== undefined;
      return ended ? { outcomes: items.length, missing: 0 } : { outcomes: inOrder.length, missing };
    }
    await staging.putLines(keys.shardOutcomes(shard), toLines(inOrder));
  }
  for await (const { key } of staging.list(keys.shardOutcomeParts(shard))) await staging.delete(key);
  return { outcomes: items.length, missing: 0 };
}

/**
 * Publish one pack: result files, then its outcomes in staging, then the pack is deleted. A kill between two steps leaves
 * either the pack (it is published again, which writes nothing that is there) or the outcomes.
 *
 * @param items the images of the pack's shard
 */
export async function publishPack(
  options: PublishOptions,
  items: readonly ManifestLine[],
  pack: number,
): Promise<void> {
  const { stores, request, shard, concurrency = 4, shared = false, clock = systemClock } = options;
  const { staging, results } = stores;
  const keys = stagingKeys(request.run_id);
  const { items: packed } = await readPack(staging, request.run_id, shard, pack);
  const byKey = new Map(items.map((item) => [item.key, item]));
  const expectations = {
    request,
    idOf: resultIds(request),
    checkFiles: options.checkFiles,
    now: shared ? clock.now() : undefined,
  };
  const valid: { readonly item: PackItem; readonly metadata: ResultMetadata | undefined }[] = [];
  const seen = new Set<string>();
  for (const item of packed) {
    if (seen.has(item.outcome.key)) throw refused(item, "it is in the pack twice");
    seen.add(item.outcome.key);
    valid.push({ item, metadata: await validateItem(item, byKey.get(item.outcome.key), expectations) });
  }
  const outcomes = await mapBounded(valid, concurrency, ({ item, metadata }) =>
    shared
      ? patiently(options.busyWaitMs ?? [], () =>
          publishItemShared({ results, force: request.force, clock }, item, metadata),
        )
      : publishItem(results, item, request.force),
  );
  await staging.putLines(keys.packOutcomes(shard, pack), toLines(outcomes));
  await staging.delete(keys.pack(shard, pack));
  for (const outcome of outcomes) options.onOutcome?.(outcome);
}

async function patiently<T>(waitMs: readonly number[], publish: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await publish();
    } catch (error) {
      const wait = waitMs[attempt];
      if (wait === undefined || !(error instanceof ClustsegError) || error.code !== "RESULT_BUSY") throw error;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

/** What to do about a pack that could not be published. @throws the error, when nothing can be done here */
async function settle(
  { stores, request, shard, onRefused }: PublishOptions,
  pack: number,
  error: unknown,
): Promise<void> {
  if (!(error instanceof ClustsegError)) throw error;
  const key = stagingKeys(request.run_id).pack(shard, pack);
  // Another attempt has published it since we listed.
  if (error.code === "OBJECT_NOT_FOUND" && (await stores.staging.head(key)) === undefined) return;
  const isRefused = error.code.startsWith("PACK_") || error.code === "METADATA_INVALID";
  if (onRefused === undefined || !(isRefused || error.code === "OBJECT_TOO_LARGE")) throw error;
  onRefused({ pack, error });
  await stores.staging.delete(key);
}
