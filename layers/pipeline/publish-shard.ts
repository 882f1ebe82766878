import { ClustsegError } from "../segments/errors.js";
import type { ItemOutcome, ManifestLine, RunRequest } from "./contracts.js";
import { readOutcomes, toLines } from "./json-lines.js";
import { isResultFileName, type ResultFileName, resultFileTypes, resultKey, stagingKeys } from "./keys.js";
import { decodeMetadata, hasResultFile, storedResultId } from "./metadata.js";
import type { PackItem } from "./pack.js";
import type { ObjectStore, RunStores } from "./ports.js";
import { resultIds } from "./result-id.js";
import { mapBounded } from "./semaphore.js";
import { packsOf, readPack, readShard } from "./shard.js";

export interface PublishOptions {
  readonly stores: Pick<RunStores, "staging" | "results">;
  readonly request: RunRequest;
  readonly shard: string;
  /** Items written at once. @default 4 */
  readonly concurrency?: number;
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
  for (const number of await packsOf(staging, request.run_id, shard)) await publishPack(options, items, number);

  if ((await staging.head(keys.shardOutcomes(shard))) === undefined) {
    const outcomes = new Map<string, ItemOutcome>();
    for await (const { key } of staging.list(keys.shardOutcomeParts(shard))) {
      for await (const outcome of readOutcomes(staging, key)) {
        if (!outcomes.has(outcome.key)) outcomes.set(outcome.key, outcome);
      }
    }
    const inOrder = items.flatMap(({ key }) => outcomes.get(key) ?? []);
    const missing = items.length - inOrder.length;
    if (missing > 0) return { outcomes: inOrder.length, missing };
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
  const { stores, request, shard, concurrency = 4 } = options;
  const { staging, results } = stores;
  const keys = stagingKeys(request.run_id);
  const { items: packed } = await readPack(staging, request.run_id, shard, pack);
  const byKey = new Map(items.map((item) => [item.key, item]));
  const idOf = resultIds(request);
  const seen = new Set<string>();
  for (const item of packed) {
    if (seen.has(item.outcome.key)) throw refused(item, "it is in the pack twice");
    seen.add(item.outcome.key);
    await validate(item, byKey.get(item.outcome.key), idOf);
  }
  const outcomes = await mapBounded(packed, concurrency, (item) => publishItem(results, item, request.force));
  await staging.putLines(keys.packOutcomes(shard, pack), toLines(outcomes));
  await staging.delete(keys.pack(shard, pack));
}

async function validate(
  item: PackItem,
  expected: ManifestLine | undefined,
  idOf: (item: ManifestLine) => string,
): Promise<void> {
  const { outcome, files } = item;
  if (expected === undefined || expected.etag !== outcome.etag) throw refused(item, "it is not in the shard");
  if (outcome.result_id !== idOf(expected)) throw refused(item, "its result_id is not that of the request");
  if (outcome.status !== "segmented") return;

  for (const [name, body] of files) {
    const signature = name.endsWith(".png") ? pngSignature : name.endsWith(".jpg") ? jpegSignature : undefined;
    if (signature?.some((byte, i) => body[i] !== byte)) throw refused(item, `${name} is not what its name says`);
  }
  const metadata = decodeMetadata(files.get("metadata.json")!, `metadata.json of ${outcome.key}`);
  if (metadata.segments !== metadata.segments_info.length || metadata.segments !== outcome.segments) {
    throw refused(item, "its metadata.json has another number of segments");
  }
  if (metadata.result_id !== outcome.result_id || metadata.source.key !== outcome.key) {
    throw refused(item, "its metadata.json is that of another image");
  }
  const listed = metadata.files.map(({ name, bytes }) => `${name} ${bytes}`).sort();
  const present = [...files]
    .filter(([name]) => name !== "metadata.json")
    .map(([name, body]) => `${name} ${body.length}`);
  if (listed.join() !== present.sort().join()) throw refused(item, "its metadata.json lists other files");
}

const pngSignature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const jpegSignature = [0xff, 0xd8, 0xff];

/** @returns the outcome, which is "rejected" when the store cannot hold a result of this very name */
async function publishItem(results: ObjectStore, { outcome, files }: PackItem, force: boolean): Promise<ItemOutcome> {
  if (outcome.status !== "segmented") return outcome;
  const { key, etag, result_id } = outcome;
  const stored = await storedResultId(results, key);
  if (stored === result_id && !force && (await isWhole(results, key, files))) return outcome;
  try {
    if (stored !== undefined && stored !== result_id) {
      // While files are replaced, no metadata.json may vouch for a mixture of old and new ones.
      await results.delete(resultKey(key, "metadata.json"));
      for (const name of Object.keys(resultFileTypes)) {
        if (isResultFileName(name) && !files.has(name)) await results.delete(resultKey(key, name));
      }
    }
    for (const [name, body] of files) {
      if (name !== "metadata.json") await put(results, key, name as ResultFileName, body);
    }
    await put(results, key, "metadata.json", files.get("metadata.json")!);
    return outcome;
  } catch (error) {
    if (!(error instanceof ClustsegError) || error.fault !== "input") throw error;
    return { key, etag, result_id, status: "rejected", error: error.toJSON() };
  }
}

async function isWhole(results: ObjectStore, key: string, files: PackItem["files"]): Promise<boolean> {
  for (const [name, body] of files) {
    if (!(await hasResultFile(results, key, name as ResultFileName, body.length))) return false;
  }
  return true;
}

async function put(results: ObjectStore, key: string, name: ResultFileName, body: Uint8Array): Promise<void> {
  await results.put(resultKey(key, name), body, { contentType: resultFileTypes[name] });
}

function refused({ outcome }: PackItem, what: string): ClustsegError {
  return new ClustsegError("PACK_FILE_REFUSED", `the staged result of ${outcome.key} is refused: ${what}`, {
    hint: "Nothing of its pack was published. If nobody edited the staging store, report this.",
  });
}
