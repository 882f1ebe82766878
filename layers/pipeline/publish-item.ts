import { ClustsegError } from "../segments/errors.js";
import type { ItemOutcome } from "./contracts.js";
import { isResultFileName, type ResultFileName, resultFileTypes, resultKey } from "./keys.js";
import { hasResultFile, storedResultId } from "./metadata.js";
import type { PackItem } from "./pack.js";
import type { ObjectStore } from "./ports.js";

/**
 * Write the files of one validated item, metadata.json last. For a results store that one process writes to.
 * @returns the outcome, which is "rejected" when the store cannot hold a result of this very name
 */
export async function publishItem(
  results: ObjectStore,
  { outcome, files }: PackItem,
  force: boolean,
): Promise<ItemOutcome> {
  if (outcome.status !== "segmented") return outcome;
  const { key, result_id } = outcome;
  const stored = await storedResultId(results, key);
  if (stored === result_id && !force && (await isWhole(results, key, files))) return outcome;
  return orRejected(outcome, async () => {
    if (stored !== undefined && stored !== result_id) {
      // While files are replaced, no metadata.json may vouch for a mixture of old and new ones.
      await results.delete(resultKey(key, "metadata.json"));
      for (const name of Object.keys(resultFileTypes)) {
        if (isResultFileName(name) && !files.has(name)) await results.delete(resultKey(key, name));
      }
    }
    for (const [name, body] of files) {
      if (name !== "metadata.json") await putFile(results, key, name as ResultFileName, body);
    }
    await putFile(results, key, "metadata.json", files.get("metadata.json")!);
  });
}

/** The outcome, or its rejection when writing fails by the image's own fault, such as its name. */
export async function orRejected(outcome: ItemOutcome, write: () => Promise<void>): Promise<ItemOutcome> {
  try {
    await write();
    return outcome;
  } catch (error) {
    if (!(error instanceof ClustsegError) || error.fault !== "input") throw error;
    const { key, etag, result_id } = outcome;
    return { key, etag, result_id, status: "rejected", error: error.toJSON() };
  }
}

/** Are all files there, with their sizes? @param place key below which they lie */
export async function isWhole(results: ObjectStore, place: string, files: PackItem["files"]): Promise<boolean> {
  for (const [name, body] of files) {
    if (!(await hasResultFile(results, place, name as ResultFileName, body.length))) return false;
  }
  return true;
}

async function putFile(results: ObjectStore, key: string, name: ResultFileName, body: Uint8Array): Promise<void> {
  await results.put(resultKey(key, name), body, { contentType: resultFileTypes[name] });
}
