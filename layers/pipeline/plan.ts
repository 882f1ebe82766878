import { ClustsegError } from "../segments/errors.js";
import { type ManifestLine, type Plan, parseDocument, planSchema, type RunRequest } from "./contracts.js";
import { inChunks, readManifest, toLines } from "./json-lines.js";
import { shardNameOf, stagingKeys, versionPlace } from "./keys.js";
import { hasResultFile, storedResultId } from "./metadata.js";
import type { ObjectStore, RunStores } from "./ports.js";
import { resultIds } from "./result-id.js";
import { mapBounded } from "./semaphore.js";

export interface PlanOptions {
  readonly stores: Pick<RunStores, "staging" | "results">;
  readonly request: RunRequest;
  /** Ranged reads of results at once. @default 32 */
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
  /** Called now and then with the number of manifest lines seen. */
  readonly onPlanned?: (items: number) => void;
}

const chunkLines = 2048;
const skippedPartLines = 16_384;
/** As many other objects may lie in front before plan stops to look whether there are results at all. */
const probeObjects = 1000;

/**
 * Cut a run's manifest into shards, leaving out the images whose result is current (a ranged read each, and a look whether
 * segments.png is there; neither when there are no results at all, or with `force`). Linear in time; memory holds one shard, whatever the manifest's length. Images that
 * are left out get their outcome, "skipped", here. plan.json is written last: a plan that was cut short is made anew, and
 * one that is whole and of the same manifest is returned as it is, so that a run that was killed goes on with its shards.
 *
 * @throws ClustsegError MANIFEST_INVALID, RUN_CANCELLED, or a STORE_* code
 */
export async function plan(options: PlanOptions): Promise<Plan> {
  const { stores, request, concurrency = 32, signal } = options;
  const { staging, results } = stores;
  const keys = stagingKeys(request.run_id);
  const current = await readPlan(staging, request.run_id);
  if (current?.manifest_digest === request.manifest.digest) return current;
  await clearPlan(staging, request.run_id);

  const idOf = resultIds(request);
  const looksForResults = !request.force && (await mayHoldResults(results));
  /** The id of the item's result if that is current. */
  const currentId = async (item: ManifestLine): Promise<string | undefined> => {
    const { key, etag, versionId } = item;
    const wanted = idOf(item);
    let place = key;
    let stored = await storedResultId(results, place);
    if (stored !== undefined && stored !== wanted && versionId !== undefined) {
      // A later upload's result lies there; this version's lies beside it, if it was made.
      place = versionPlace(key, { etag, version_id: versionId });
      stored = await storedResultId(results, place);
    }
    if (stored !== wanted) return undefined;
    // metadata.json is written last, but somebody may have deleted the mask since.
    return (await hasResultFile(results, place, "segments.png")) ? stored : undefined;
  };

  const shards: Plan["shards"] = [];
  let shard: ManifestLine[] = [];
  let shardBytes = 0;
  const closeShard = async () => {
    if (shard.length === 0) return;
    const name = shardNameOf(shards.length);
    await staging.putLines(keys.shard(name), toLines(shard));
    shards.push({ shard: name, items: shard.length, bytes: shardBytes });
    shard = [];
    shardBytes = 0;
  };

  let skippedCount = 0;
  let skippedParts = 0;
  let skipped: string[] = [];
  const closeSkipped = async () => {
    if (skipped.length === 0) return;
    await staging.putLines(keys.skipped(skippedParts++), skipped);
    skipped = [];
  };

  let items = 0;
  for await (const chunk of inChunks(readManifest(staging, keys.manifest), chunkLines)) {
    if (signal?.aborted) throw cancelled();
    const done = looksForResults ? await mapBounded(chunk, concurrency, currentId) : [];
    for (const [i, item] of chunk.entries()) {
      const { key, etag } = item;
      const resultId = done[i];
      if (resultId !== undefined) {
        skipped.push(JSON.stringify({ key, etag, result_id: resultId, status: "skipped" }));
        skippedCount++;
        if (skipped.length === skippedPartLines) await closeSkipped();
        continue;
      }
      const full = shard.length === request.shard_items || shardBytes + item.size > request.shard_bytes;
      if (full) await closeShard();
      shard.push(item);
      shardBytes += item.size;
    }
    items += chunk.length;
    options.onPlanned?.(items);
  }
  await closeShard();
  await closeSkipped();

  const made: Plan = {
    schema: "clustseg.plan/1",
    run_id: request.run_id,
    manifest_digest: request.manifest.digest,
    force: request.force,
    items,
    skipped: skippedCount,
    shards,
  };
  await staging.put(keys.plan, new TextEncoder().encode(`${JSON.stringify(made)}\n`), {
    contentType: "application/json",
  });
  return made;
}

/** The plan of a run that is under way; undefined when there is none, or it cannot be read and must be made anew. */
export async function readPlan(staging: ObjectStore, runId: string): Promise<Plan | undefined> {
  const { plan: key } = stagingKeys(runId);
  try {
    const { body } = await staging.get(key);
    return parseDocument(planSchema, new TextDecoder().decode(body), "MANIFEST_INVALID", key);
  } catch (error) {
    if (error instanceof ClustsegError && error.fault === "input") return undefined;
    throw error;
  }
}

/** Remove a run's plan, shards, packs and outcomes from staging; request and manifest stay. plan.json goes first. */
export async function clearPlan(staging: ObjectStore, runId: string): Promise<void> {
  const keys = stagingKeys(runId);
  await staging.delete(keys.plan);
  for (const prefix of [keys.shards, keys.packs, keys.outcomes]) {
    for await (const chunk of inChunks(staging.list(prefix), 1000)) {
      await mapBounded(chunk, 16, ({ key }) => staging.delete(key));
    }
  }
}

/**
 * The run is over: its staging goes, plan.json first, so that a kill in between leaves nothing that looks unfinished, and the
 * lock last, so that nobody begins the run anew in what is being removed.
 */
export async function removeRun(staging: ObjectStore, runId: string): Promise<void> {
  const { root, lock } = stagingKeys(runId);
  await clearPlan(staging, runId);
  for await (const { key } of staging.list(root)) if (key !== lock) await staging.delete(key);
  await staging.delete(lock);
}

export function cancelled(): ClustsegError {
  return new ClustsegError("RUN_CANCELLED", "the run was stopped", {
    hint: "Give the same command again: it goes on where it was.",
  });
}

async function mayHoldResults(results: ObjectStore): Promise<boolean> {
  let seen = 0;
  for await (const { key } of results.list("")) {
    if (key.endsWith("/metadata.json") || ++seen === probeObjects) return true;
  }
  return false;
}
