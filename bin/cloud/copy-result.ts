import { claimOf } from "../../layers/pipeline/claim.js";
import type { ResultMetadata } from "../../layers/pipeline/contracts.js";
import { isResultFileName, type ResultFileName, resultFileTypes, resultKey } from "../../layers/pipeline/keys.js";
import { decodeMetadata, hasResultFile, storedResultId } from "../../layers/pipeline/metadata.js";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import { ClustsegError } from "../../layers/segments/errors.js";

/** "there": it lay at the target already, whole. "gone": another run has put its own result in its place since. */
export type Copied = { readonly was: "copied"; readonly bytes: number } | { readonly was: "there" | "gone" };

const maxMetadataBytes = 256 * 1024 ** 2;

/**
 * Copy one result from store to store, metadata.json last, as publish writes it: cut short, it is no result, and the same call
 * does the rest. Only names of result files are written, whatever the metadata lists.
 *
 * @param key of the image
 * @param resultId the result that is meant: of an image that was overwritten an older one lies below `<key>/versions/`
 * @throws ClustsegError METADATA_INVALID, OBJECT_CHANGED when it is replaced meanwhile, or a STORE_* code
 */
export async function copyResult(from: ObjectStore, to: ObjectStore, key: string, resultId: string): Promise<Copied> {
  const place = await placeOf(from, key, resultId);
  if (place === undefined) return { was: "gone" };
  if ((await storedResultId(to, place)) === resultId && (await isWhole(to, place))) return { was: "there" };
  const metadata = await readMetadata(from, place);
  if (metadata.parsed.result_id !== resultId) throw changed(from, place);
  const names = metadata.parsed.files.map(({ name }) => fileName(name, place));
  // While files are replaced, no metadata.json may vouch for a mixture of old and new ones.
  await to.delete(resultKey(place, "metadata.json"));
  for (const name of Object.keys(resultFileTypes) as ResultFileName[]) {
    if (!names.includes(name)) await to.delete(resultKey(place, name));
  }
  let bytes = metadata.body.length;
  for (const { name, bytes: size } of metadata.parsed.files) {
    const { body } = await from.get(resultKey(place, fileName(name, place)), { maxBytes: size });
    if (body.length !== size) throw changed(from, place);
    await to.put(resultKey(place, fileName(name, place)), body);
    bytes += size;
  }
  await to.put(resultKey(place, "metadata.json"), metadata.body);
  return { was: "copied", bytes };
}

/** Where the result lies: at the image's key, or below its versions. */
async function placeOf(from: ObjectStore, key: string, resultId: string): Promise<string | undefined> {
  if ((await storedResultId(from, key)) === resultId) return key;
  for await (const { key: file } of from.list(`${key}/versions/`)) {
    if (!file.endsWith("/metadata.json")) continue;
    const place = file.slice(0, -"/metadata.json".length);
    if ((await storedResultId(from, place)) === resultId) return place;
  }
  return undefined;
}

async function isWhole(store: ObjectStore, place: string): Promise<boolean> {
  const { parsed } = await readMetadata(store, place);
  for (const { name, bytes } of parsed.files) {
    if (!isResultFileName(name) || !(await hasResultFile(store, place, name, bytes))) return false;
  }
  return true;
}

async function readMetadata(
  store: ObjectStore,
  place: string,
): Promise<{ readonly body: Uint8Array; readonly parsed: ResultMetadata }> {
  const key = resultKey(place, "metadata.json");
  const { body } = await store.get(key, { maxBytes: maxMetadataBytes });
  if (claimOf(body) !== undefined) throw changed(store, place);
  return { body, parsed: decodeMetadata(body, `${store.uri}${key}`) };
}

function fileName(name: string, place: string): ResultFileName {
  if (isResultFileName(name) && name !== "metadata.json") return name;
  throw new ClustsegError("METADATA_INVALID", `the metadata.json of ${place} lists "${name.slice(0, 80)}"`, {
    hint: "That is no result file: somebody has edited it. Segment the image again (--force).",
  });
}

function changed(from: ObjectStore, place: string): ClustsegError {
  return new ClustsegError("OBJECT_CHANGED", `the result ${from.uri}${place} has changed while it was fetched`, {
    hint: "Give the same command again.",
  });
}
