import { ClustsegError } from "../segments/errors.js";
import { type ResultFileName, resultFileTypes, resultKey } from "./keys.js";
import type { PackItem } from "./pack.js";
import type { ObjectStore } from "./ports.js";

/** The files of a result, compared with what lies in a store. `place` is the key below which they lie. */

const maxFileBytes = 256 * 1024 ** 2;

/** Under a claim: write the file unless its bytes are there. */
export async function putOver(
  results: ObjectStore,
  place: string,
  name: ResultFileName,
  body: Uint8Array,
): Promise<void> {
  if ((await putFile(results, place, name, body, { ifAbsent: true })) === "written") return;
  const found = await readFile(results, place, name);
  if (found === undefined || !isSame(found.body, body)) await putFile(results, place, name, body, {});
}

export function putFile(
  results: ObjectStore,
  place: string,
  name: ResultFileName,
  body: Uint8Array,
  condition: { readonly ifAbsent?: true; readonly ifMatch?: string },
): Promise<"written" | "exists"> {
  return results.put(resultKey(place, name), body, { contentType: resultFileTypes[name], ...condition });
}

export async function readFile(results: ObjectStore, place: string, name: ResultFileName) {
  return results.get(resultKey(place, name), { maxBytes: maxFileBytes }).catch(orNotFound);
}

export function orNotFound(error: unknown): undefined {
  if (error instanceof ClustsegError && error.code === "OBJECT_NOT_FOUND") return undefined;
  throw error;
}

export async function isEqual(results: ObjectStore, place: string, files: PackItem["files"]): Promise<boolean> {
  for (const [name, body] of files) {
    const found = await readFile(results, place, name as ResultFileName);
    if (found === undefined || !isSame(found.body, body)) return false;
  }
  return true;
}

export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
