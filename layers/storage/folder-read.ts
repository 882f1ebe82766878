import { closeSync, constants, fstatSync, open, read } from "node:fs";
import { promisify } from "node:util";
import type { GetOptions, ObjectInfo } from "../pipeline/ports.js";
import { ClustsegError } from "../segments/errors.js";
import { etagOf } from "./folder-list.js";

/**
 * Reading goes by file descriptors: what can wait for a disk (open, read) goes to the thread pool, what cannot (fstat and
 * close of an open file) is done at once. A trip to the pool costs more than either of those, and here is one per image.
 */
const openFile = promisify(open);
const readPiece = promisify(read);

const chunkBytes = 256 * 1024;
/** Following a link would open what was not checked; a pipe without a writer would block for ever. */
const readFlags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Run `use` on the open file. @throws ELOOP when the path is a symbolic link */
export async function withFile<T>(path: string, use: (fd: number) => Promise<T>): Promise<T> {
  const fd = await openFile(path, readFlags);
  try {
    return await use(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * The bytes of a file, or a range of them, in an ArrayBuffer of their own.
 * @throws ClustsegError OBJECT_NOT_A_FILE, OBJECT_CHANGED (also when it changes while it is read), OBJECT_TOO_LARGE
 */
export async function readBytes(
  fd: number,
  key: string,
  options: GetOptions,
): Promise<{ body: Uint8Array; info: ObjectInfo }> {
  const before = fstatSync(fd);
  if (!before.isFile()) throw new ClustsegError("OBJECT_NOT_A_FILE", `${key} is not a file`, { hint: "Leave it out." });
  const info = { key, size: before.size, etag: etagOf(before) };
  if (options.ifMatch !== undefined && options.ifMatch !== info.etag) throw changed(key);
  const { start, end } = options.range ?? { start: 0, end: before.size };
  const length = Math.max(0, Math.min(end, before.size) - start);
  if (length > (options.maxBytes ?? Number.POSITIVE_INFINITY)) {
    throw new ClustsegError("OBJECT_TOO_LARGE", `${key} has ${length} bytes, the limit is ${options.maxBytes}`, {
      hint: "Leave it out, or raise the limit.",
    });
  }
  const body = Buffer.allocUnsafeSlow(length);
  let at = 0;
  while (at < length) {
    const { bytesRead } = await readPiece(fd, body, at, length - at, start + at);
    if (bytesRead === 0) throw changed(key);
    at += bytesRead;
  }
  const after = fstatSync(fd);
  if (after.size !== before.size || after.mtimeMs !== before.mtimeMs) throw changed(key);
  return { body, info };
}

/** The bytes of a file in pieces; a piece is overwritten by the next. */
export async function* readPieces(path: string): AsyncGenerator<Uint8Array> {
  const fd = await openFile(path, readFlags);
  try {
    const chunk = Buffer.allocUnsafeSlow(chunkBytes);
    for (;;) {
      const { bytesRead } = await readPiece(fd, chunk, 0, chunkBytes, null);
      if (bytesRead === 0) return;
      yield chunk.subarray(0, bytesRead);
    }
  } finally {
    closeSync(fd);
  }
}

function changed(key: string): ClustsegError {
  return new ClustsegError("OBJECT_CHANGED", `${key} has changed since it was listed`, {
    hint: "Run again when nobody is writing to it.",
  });
}
