import { ClustsegError } from "../segments/errors.js";
import { type Claim, claimOf, encodeClaim } from "./claim.js";
import type { ItemOutcome, ResultMetadata } from "./contracts.js";
import { type ResultFileName, resultFileTypes, resultKey, versionPlace } from "./keys.js";
import { decodeMetadata, metadataHeadBytes, resultIdOf } from "./metadata.js";
import type { PackItem } from "./pack.js";
import type { Clock, ObjectStore } from "./ports.js";
import { isWhole, orRejected } from "./publish-item.js";
import { isEqual, isSame, orNotFound, putFile, putOver, readFile } from "./shared-files.js";
import { hasOrder, isLaterUpload, isSameUpload } from "./uploads-order.js";

/**
 * Publishing to a store that others publish to at the same time: runs of two uploads of one key, or two attempts of one
 * publish. Who writes a result holds a claim first, by a conditional write, so that files of two results never mix:
 * - where there is no result, the claim is segments.png, written only if absent;
 * - where there is one, or the result has more files, which could mix, the claim is a document in the place of metadata.json, written only if that is still as it was read.
 * The same bytes are never written twice: what is there already is compared. A claim whose owner died is free after `claimMs`.
 *
 * A key has one current result, that of its latest upload. Uploads with versions each keep a result: those of earlier versions
 * lie below `<key>/versions/<version>/`, in whatever order they are published.
 */

/** Longer than any publisher lives: a Lambda function has 15 minutes. */
export const claimMs = 16 * 60_000;
const attempts = 8;

export interface SharedPublishing {
  readonly results: ObjectStore;
  /** Compare what is there with what is new, even when the ids agree. */
  readonly force: boolean;
  readonly clock: Clock;
}

/**
 * @param metadata of the item, validated; undefined when it was not segmented
 * @returns the outcome, which is "rejected" when the store cannot hold a result of this very name
 * @throws ClustsegError RESULT_BUSY, STORE_*
 */
export async function publishItemShared(
  publishing: SharedPublishing,
  { outcome, files }: PackItem,
  metadata: ResultMetadata | undefined,
): Promise<ItemOutcome> {
  if (outcome.status !== "segmented" || metadata === undefined) return outcome;
  const { source } = metadata;
  const result = { id: outcome.result_id, files, source };
  const older = versionPlace(outcome.key, source);
  return orRejected(outcome, () =>
    outcome.superseded
      ? publishAt(publishing, older, result, undefined)
      : publishAt(publishing, outcome.key, result, older),
  );
}

interface Result {
  readonly id: string;
  readonly files: PackItem["files"];
  readonly source: ResultMetadata["source"];
}

/**
 * @param older where the result goes when a later upload's is at `place`; undefined: it replaces whatever is there
 * @param mayCommit asked before metadata.json is written
 */
async function publishAt(
  publishing: SharedPublishing,
  place: string,
  result: Result,
  older: string | undefined,
  mayCommit: () => Promise<boolean> = () => Promise.resolve(true),
): Promise<void> {
  const { results, force, clock } = publishing;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const stored = await readStored(results, place);
    if (stored === undefined && result.files.size > 2) {
      await claim(publishing, place, result.id, { ifAbsent: true });
      continue;
    }
    if (stored === undefined) {
      if ((await publishNew(publishing, place, result, mayCommit)) === "done") return;
      continue;
    }
    if (stored.claim !== undefined) {
      const isOurs = stored.claim.result_id === result.id;
      if (!isOurs) {
        if (clock.now() - Date.parse(stored.claim.at) < claimMs) throw busy(place);
        await claim(publishing, place, result.id, { ifMatch: stored.etag });
        continue;
      }
      if ((await finishClaimed(publishing, place, result, stored, mayCommit)) === "done") return;
      continue;
    }
    if (stored.id === result.id && (await isWhole(results, place, result.files))) {
      if (!force || (await isEqual(results, place, result.files))) return;
    } else if (stored.id !== result.id && older !== undefined) {
      const other = await storedSource(results, place);
      if (other !== undefined && !isSameUpload(result.source, other) && hasOrder(other) && hasOrder(result.source)) {
        if (isLaterUpload(other, result.source)) return publishAt(publishing, older, result, undefined);
        if (other.version_id !== undefined && result.source.version_id !== undefined) {
          if (!(await keepVersion(publishing, place, stored.etag))) continue;
        }
      }
    }
    await claim(publishing, place, result.id, { ifMatch: stored.etag });
  }
  throw busy(place);
}

/** Nothing was there when we looked. */
async function publishNew(
  publishing: SharedPublishing,
  place: string,
  result: Result,
  mayCommit: () => Promise<boolean>,
): Promise<"done" | "again"> {
  const { results, clock } = publishing;
  const mask = result.files.get("segments.png")!;
  const document = result.files.get("metadata.json")!;
  if ((await putFile(results, place, "segments.png", mask, { ifAbsent: true })) === "exists") {
    const found = await readFile(results, place, "segments.png");
    if (found === undefined) return "again";
    if (!isSame(found.body, mask)) {
      // Of somebody who is about to write metadata.json, or who never came to it.
      if (clock.now() - (found.info.lastModified ?? 0) < claimMs) throw busy(place);
      await claim(publishing, place, result.id, { ifAbsent: true });
      return "again";
    }
  }
  if (!(await mayCommit())) return "again";
  return (await putFile(results, place, "metadata.json", document, { ifAbsent: true })) === "written"
    ? "done"
    : "again";
}

/** We hold the claim: what lies there and is not the result's goes, what is missing comes. */
async function finishClaimed(
  { results }: SharedPublishing,
  place: string,
  { files }: Result,
  { etag, claim }: Stored,
  mayCommit: () => Promise<boolean>,
): Promise<"done" | "again"> {
  if (!claim?.fresh) {
    for (const name of Object.keys(resultFileTypes)) {
      if (!files.has(name)) await results.delete(resultKey(place, name as ResultFileName));
    }
  }
  const mask = files.get("segments.png")!;
  await putOver(results, place, "segments.png", mask);
  await putOthers(results, place, files);
  if (!(await mayCommit())) return "again";
  const document = files.get("metadata.json")!;
  return (await putFile(results, place, "metadata.json", document, { ifMatch: etag })) === "written" ? "done" : "again";
}

/**
 * Copy the result that is at `place` to where its version's belongs.
 * @param etag of its metadata.json; whoever replaces a result changes that first
 * @returns false when it was replaced meanwhile
 */
async function keepVersion(publishing: SharedPublishing, place: string, etag: string): Promise<boolean> {
  const { results } = publishing;
  const document = await readFile(results, place, "metadata.json");
  if (document === undefined || document.info.etag !== etag) return false;
  const metadata = decodeMetadata(document.body, `${place}/metadata.json`);
  const files = new Map<string, Uint8Array>();
  for (const { name } of metadata.files) {
    const file = Object.hasOwn(resultFileTypes, name)
      ? await readFile(results, place, name as ResultFileName)
      : undefined;
    // Somebody has deleted a part of it: there is no whole result to keep.
    if (file === undefined) return (await results.head(resultKey(place, "metadata.json")))?.etag === etag;
    files.set(name, file.body);
  }
  if (!files.has("segments.png")) return true;
  files.set("metadata.json", document.body);
  let unchanged = true;
  const mayCommit = async () => {
    unchanged = (await results.head(resultKey(place, "metadata.json")))?.etag === etag;
    return unchanged;
  };
  const result = { id: metadata.result_id, files, source: metadata.source };
  try {
    await publishAt(
      { ...publishing, force: false },
      versionPlace(place, metadata.source),
      result,
      undefined,
      mayCommit,
    );
  } catch (error) {
    if (unchanged) throw error;
  }
  return unchanged;
}

interface Stored {
  readonly etag: string;
  /** Id of a result that is committed; undefined for a claim, or what is none of ours. */
  readonly id: string | undefined;
  readonly claim: Claim | undefined;
}

async function readStored(results: ObjectStore, place: string): Promise<Stored | undefined> {
  const found = await results
    .get(resultKey(place, "metadata.json"), { range: { start: 0, end: metadataHeadBytes } })
    .catch(orNotFound);
  if (found === undefined) return undefined;
  const id = resultIdOf(found.body);
  const { etag } = found.info;
  return { etag, id, claim: id === undefined ? claimOf(found.body) : undefined };
}

/** Of which upload the stored result is; undefined when it does not tell. */
async function storedSource(results: ObjectStore, place: string): Promise<ResultMetadata["source"] | undefined> {
  const found = await readFile(results, place, "metadata.json");
  try {
    return found && decodeMetadata(found.body, `${place}/metadata.json`).source;
  } catch {
    return undefined;
  }
}

/** May write nothing, when somebody else was faster: whoever calls looks again. */
async function claim(
  { results, clock }: SharedPublishing,
  place: string,
  id: string,
  condition: { readonly ifMatch: string } | { readonly ifAbsent: true },
): Promise<void> {
  const at = new Date(clock.now()).toISOString();
  const document = encodeClaim({ result_id: id, at, fresh: "ifAbsent" in condition });
  await putFile(results, place, "metadata.json", document, condition);
}

async function putOthers(results: ObjectStore, place: string, files: PackItem["files"]): Promise<void> {
  for (const [name, body] of files) {
    if (name !== "metadata.json" && name !== "segments.png")
      await putOver(results, place, name as ResultFileName, body);
  }
}

function busy(place: string): ClustsegError {
  return new ClustsegError("RESULT_BUSY", `another run is writing the result ${place} just now`, {
    hint: "It is tried again; after a quarter of an hour a claim that nobody finished is free.",
  });
}
