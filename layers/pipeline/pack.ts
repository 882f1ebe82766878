import { z } from "zod";
import { ClustsegError } from "../segments/errors.js";
import { type ItemOutcome, itemOutcomeSchema } from "./contracts.js";
import { isResultFileName } from "./keys.js";

/**
 * A pack: the outcomes and result files of several items as one object, so that a million images do not make five million
 * writes to staging.
 *
 *     "CSPACK1\n" | header bytes, uint32 little-endian | header, JSON in UTF-8 | files, one after another | SHA-256 of all before
 */
export interface Pack {
  readonly runId: string;
  readonly shard: string;
  readonly items: readonly PackItem[];
}

export interface PackItem {
  readonly outcome: ItemOutcome;
  /** By name; empty unless the item was segmented, and then with segments.png and metadata.json at least. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const magic = new TextEncoder().encode("CSPACK1\n");
const headerStart = magic.length + 4;
const digestBytes = 32;

const headerSchema = z.object({
  schema: z.literal("clustseg.pack/1"),
  run_id: z.string(),
  shard: z.string(),
  items: z.array(
    z.object({
      outcome: itemOutcomeSchema,
      files: z.array(z.object({ name: z.string(), bytes: z.int().positive() })),
    }),
  ),
});

/** @throws ClustsegError PACK_FILE_REFUSED when an item's files are not those that its outcome may have */
export async function encodePack(pack: Pack): Promise<Uint8Array> {
  for (const item of pack.items) assertFiles(item);
  const header = new TextEncoder().encode(
    JSON.stringify({
      schema: "clustseg.pack/1",
      run_id: pack.runId,
      shard: pack.shard,
      items: pack.items.map(({ outcome, files }) => ({
        outcome,
        files: [...files].map(([name, body]) => ({ name, bytes: body.length })),
      })),
    }),
  );
  let length = headerStart + header.length + digestBytes;
  for (const { files } of pack.items) for (const body of files.values()) length += body.length;

  const bytes = new Uint8Array(length);
  bytes.set(magic, 0);
  new DataView(bytes.buffer).setUint32(magic.length, header.length, true);
  bytes.set(header, headerStart);
  let at = headerStart + header.length;
  for (const { files } of pack.items) {
    for (const body of files.values()) {
      bytes.set(body, at);
      at += body.length;
    }
  }
  bytes.set(await digestOf(bytes.subarray(0, at)), at);
  return bytes;
}

/**
 * The files are views into `bytes`.
 * @throws ClustsegError PACK_DAMAGED when any byte is not as it was written, PACK_FILE_REFUSED for files that may not be
 */
export async function decodePack(bytes: Uint8Array): Promise<Pack> {
  if (bytes.length < headerStart + digestBytes || magic.some((byte, i) => bytes[i] !== byte)) {
    throw damaged("it does not begin like a pack");
  }
  const end = bytes.length - digestBytes;
  const digest = await digestOf(bytes.subarray(0, end));
  if (digest.some((byte, i) => bytes[end + i] !== byte)) throw damaged("its SHA-256 differs");

  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(magic.length, true);
  let at = headerStart + headerBytes;
  if (at > end) throw damaged("its header is longer than the pack");
  const header = parseHeader(bytes.subarray(headerStart, at));

  const items = header.items.map(({ outcome, files: entries }) => {
    const files = new Map<string, Uint8Array>();
    for (const { name, bytes: size } of entries) {
      if (at + size > end) throw damaged(`${name} of ${outcome.key} reaches past the end`);
      if (files.has(name)) throw refused(outcome, `${name} is there twice`);
      files.set(name, bytes.subarray(at, at + size));
      at += size;
    }
    const item = { outcome, files };
    assertFiles(item);
    return item;
  });
  if (at !== end) throw damaged(`${end - at} bytes belong to no item`);
  return { runId: header.run_id, shard: header.shard, items };
}

/** Bytes at a pack's beginning that tell how long its header is. */
export const packStartBytes = headerStart;

/**
 * Where the header of a pack lies, from its first `packStartBytes`: enough to learn of its items without its files.
 * @throws ClustsegError PACK_DAMAGED
 */
export function packHeaderRange(start: Uint8Array): { readonly start: number; readonly end: number } {
  if (start.length < headerStart || magic.some((byte, i) => start[i] !== byte)) {
    throw damaged("it does not begin like a pack");
  }
  const headerBytes = new DataView(start.buffer, start.byteOffset).getUint32(magic.length, true);
  return { start: headerStart, end: headerStart + headerBytes };
}

/** The outcomes that a header tells of. Not verified against the pack's SHA-256. @throws ClustsegError PACK_DAMAGED */
export function packHeaderOutcomes(header: Uint8Array): ItemOutcome[] {
  return parseHeader(header).items.map(({ outcome }) => outcome);
}

function parseHeader(bytes: Uint8Array): z.infer<typeof headerSchema> {
  try {
    return headerSchema.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch (cause) {
    throw damaged("its header does not match the schema", cause);
  }
}

function assertFiles({ outcome, files }: PackItem): void {
  for (const [name, body] of files) {
    if (!isResultFileName(name)) throw refused(outcome, `"${name.slice(0, 80)}" is no result file`);
    if (body.length === 0) throw refused(outcome, `${name} is empty`);
  }
  if (outcome.status === "segmented") {
    for (const name of ["segments.png", "metadata.json"]) {
      if (!files.has(name)) throw refused(outcome, `${name} is missing`);
    }
  } else if (files.size > 0) {
    throw refused(outcome, `an item that was ${outcome.status} has files`);
  }
}

async function digestOf(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
}

function damaged(what: string, cause?: unknown): ClustsegError {
  return new ClustsegError("PACK_DAMAGED", `the pack is damaged: ${what}`, {
    hint: "Run again: a damaged pack is dropped and its images are segmented once more.",
    cause,
  });
}

function refused(outcome: ItemOutcome, what: string): ClustsegError {
  return new ClustsegError("PACK_FILE_REFUSED", `the staged files of ${outcome.key} are refused: ${what}`, {
    hint: "Add the file's name to resultFileTypes if a new format made it.",
  });
}
