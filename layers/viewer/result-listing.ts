import { isResultFileName } from "../pipeline/keys.js";
import type { ObjectStore } from "../pipeline/ports.js";

/** A result as a listing tells of it. */
export interface ListedResult {
  /** The image's key. */
  readonly key: string;
  readonly files: readonly string[];
  /** Of metadata.json: the same etag, the same result. */
  readonly etag: string;
}

interface OpenFolder {
  readonly key: string;
  readonly files: string[];
  etag?: string;
}

/**
 * All results of a store, streamed: whatever has a metadata.json, its commit mark. In key order, save that a result whose
 * image's key begins with another image's ("a.jpg/b.jpg") comes before that one.
 */
export async function* listResults(store: ObjectStore): AsyncGenerator<ListedResult> {
  // Keys below a folder follow each other in key order, so the folders that can still get files are those on one path.
  const open: OpenFolder[] = [];
  for await (const { key, etag } of store.list("")) {
    const slash = key.lastIndexOf("/");
    const name = key.slice(slash + 1);
    if (slash < 1 || !isResultFileName(name)) continue;
    const folder = key.slice(0, slash);
    while (open.length > 0 && !`${folder}/`.startsWith(`${open.at(-1)!.key}/`)) yield* closed(open.pop()!);
    if (open.at(-1)?.key !== folder) open.push({ key: folder, files: [] });
    const last = open.at(-1)!;
    last.files.push(name);
    if (name === "metadata.json") last.etag = etag;
  }
  while (open.length > 0) yield* closed(open.pop()!);
}

function* closed({ key, files, etag }: OpenFolder): Generator<ListedResult> {
  if (etag !== undefined) yield { key, files, etag };
}
