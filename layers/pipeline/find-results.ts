import { ClustsegError } from "../segments/errors.js";
import { claimOf } from "./claim.js";
import { isVersionPlace, resultKey } from "./keys.js";
import { OpenPrefixes } from "./open-prefixes.js";
import { orderedMap } from "./ordered-map.js";
import type { ModelIdentity, ObjectStore } from "./ports.js";

/** What made a result. */
export interface ResultKind {
  readonly model: Omit<ModelIdentity, "tasks">;
  readonly task: string;
}

/** A finished result in a store. */
export interface FoundResult {
  /** Of the image, below the store's root: the result lies under this key. */
  readonly key: string;
  /** undefined when metadata.json does not tell: it is damaged, or no result's. */
  readonly kind: ResultKind | undefined;
}

const metadataFile = "metadata.json";
/** Enough for all that stands before the segments, though every character of the image's name were escaped. */
const headBytes = 16 * 1024;
const headsAtOnce = 16;

/**
 * The finished results of a store, those with a metadata.json, in key order and streamed. Of each the first bytes are read.
 *
 * @param onUnfinished called for images whose result was begun only: segments.png without metadata.json, or with a claim there
 * @throws ClustsegError RESULT_NOT_FOUND when the store is one image's own result, or a STORE_* code
 */
export async function* findResults(
  results: ObjectStore,
  onUnfinished: (key: string) => void = () => {},
): AsyncGenerator<FoundResult> {
  const found = orderedMap(finishedKeys(results, onUnfinished), headsAtOnce, async (key) => ({
    key,
    kind: await kindOf(results, key),
  }));
  for await (const { key, kind } of found) {
    if (kind === "claim") onUnfinished(key);
    else yield { key, kind };
  }
}

async function* finishedKeys(results: ObjectStore, onUnfinished: (key: string) => void): AsyncGenerator<string> {
  const finished = new OpenPrefixes();
  for await (const { key } of results.list("")) {
    finished.passTo(key);
    if (key === metadataFile) {
      throw new ClustsegError("RESULT_NOT_FOUND", `${results.uri} is the result of one image`, {
        hint: "Give the folder above it: that of the results of all images.",
      });
    }
    const slash = key.lastIndexOf("/") + 1;
    const image = key.slice(0, slash);
    const file = key.slice(slash);
    // Of an image that was uploaded more than once, the latest upload's result is the image's.
    if (isVersionPlace(image.slice(0, -1))) continue;
    // In key order metadata.json comes before segments.png.
    if (file === metadataFile) {
      finished.open(image);
      yield image.slice(0, -1);
    } else if (file === "segments.png" && image !== "" && !finished.isOpen(image)) {
      onUnfinished(image.slice(0, -1));
    }
  }
}

const text = String.raw`"(?:[^"\\]|\\.)*"`;
// Within a text the quotes would be escaped, so no name of an image can look like this.
const kindPattern = new RegExp(
  `"model":\\{"name":(${text}),"version":(${text}),"sha256":"([0-9a-f]{64})"\\},"task":(${text})`,
);

async function kindOf(results: ObjectStore, key: string): Promise<ResultKind | "claim" | undefined> {
  try {
    const { body } = await results.get(resultKey(key, metadataFile), { range: { start: 0, end: headBytes } });
    if (claimOf(body) !== undefined) return "claim";
    const match = kindPattern.exec(new TextDecoder().decode(body));
    if (match === null) return undefined;
    const [name, version, task] = [match[1], match[2], match[4]].map((quoted) => JSON.parse(quoted!) as string);
    return { model: { name: name!, version: version!, sha256: match[3]! }, task: task! };
  } catch (error) {
    // What cannot be read ends as a failed image when its turn comes, with the reason.
    if ((error instanceof ClustsegError && error.fault === "input") || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
