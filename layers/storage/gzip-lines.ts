import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { ClustsegError } from "../segments/errors.js";
import { splitLines } from "./split-lines.js";

/**
 * The lines of a gzipped text (several gzip members one after another are one text), streamed.
 * @throws ClustsegError SOURCE_LIST_INVALID when it is not gzip; what `pieces` throws
 */
export async function* gunzipLines(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const source = Readable.from(pieces, { objectMode: false });
  const gunzip = createGunzip();
  // pipe() does not hand on errors; what the store says is more than "premature close".
  source.on("error", (error) => gunzip.destroy(error));
  try {
    yield* splitLines(source.pipe(gunzip));
  } catch (cause) {
    if (cause instanceof ClustsegError) throw cause;
    throw new ClustsegError("SOURCE_LIST_INVALID", "a file of the list is not gzip, or cut short", {
      hint: "Have it written again.",
      cause,
    });
  } finally {
    source.destroy();
  }
}
