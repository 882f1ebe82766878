import { ClustsegError } from "../segments/errors.js";
import type { ManifestLine } from "./contracts.js";
import { KeySet } from "./key-set.js";
import type { ObjectStore } from "./ports.js";
import { headAll } from "./selection.js";

/**
 * The images that a list names, streamed: a key, or an s3:// address, a line. What is named twice comes once; what is not
 * there comes too, with an empty etag, as it must end in an outcome. 16 bytes a key stay in memory.
 *
 * @throws ClustsegError SOURCE_LIST_INVALID at a line that names another bucket
 */
export function listedItems(uploads: ObjectStore, lines: AsyncIterable<string>): AsyncGenerator<ManifestLine> {
  return headAll(uploads, listedKeys(uploads.uri, lines));
}

async function* listedKeys(uploads: string, lines: AsyncIterable<string>): AsyncGenerator<string> {
  const seen = new KeySet();
  let number = 0;
  for await (const line of lines) {
    number++;
    // Lists are often written on other systems: "\r" at the end belongs to the line's end.
    const text = line.replace(/\r$/, "");
    if (text === "") continue;
    const key = keyOf(text, uploads, number);
    if (seen.add(key)) yield key;
  }
}

function keyOf(text: string, uploads: string, line: number): string {
  if (!text.startsWith("s3://")) return text;
  if (text.startsWith(uploads) && text.length > uploads.length) return text.slice(uploads.length);
  throw new ClustsegError(
    "SOURCE_LIST_INVALID",
    `line ${line} of the list is not in ${uploads}: ${text.slice(0, 200)}`,
    {
      hint: "Only images of the uploads bucket can be segmented: upload it there first.",
    },
  );
}
