import { z } from "zod";
import { ClustsegError } from "../segments/errors.js";
import { type ManifestLine, parseDocument } from "./contracts.js";
import { imageExtensions, isImageKey, isResultKey } from "./keys.js";

/**
 * S3 inventories: a manifest.json that names gzipped CSV files, with one object a line. The cheapest list of a large bucket:
 * nothing is asked of S3 but these files.
 */

const manifestSchema = z.object({
  sourceBucket: z.string().min(1),
  /** "arn:aws:s3:::bucket" */
  destinationBucket: z.string().min(1),
  fileFormat: z.string(),
  /** "Bucket, Key, VersionId, IsLatest, …" */
  fileSchema: z.string(),
  files: z.array(z.object({ key: z.string().min(1), size: z.int().nonnegative() })),
});

export interface Inventory {
  readonly sourceBucket: string;
  /** Where the files lie, and the manifest too. */
  readonly bucket: string;
  readonly columns: readonly string[];
  readonly files: readonly string[];
}

/** @throws ClustsegError SOURCE_LIST_INVALID */
export function parseInventory(text: string): Inventory {
  const manifest = parseDocument(manifestSchema, text, "SOURCE_LIST_INVALID", "the inventory's manifest.json");
  if (manifest.fileFormat !== "CSV") {
    throw invalid(`the inventory is in the format ${manifest.fileFormat}`, "Have S3 write it as CSV.");
  }
  const columns = manifest.fileSchema.split(",").map((name) => name.trim());
  for (const name of ["Bucket", "Key", "Size", "ETag"]) {
    if (!columns.includes(name)) {
      throw invalid(`the inventory has no column ${name}`, "Add size and ETag to the inventory's optional fields.");
    }
  }
  const bucket = manifest.destinationBucket.replace(/^arn:[^:]*:s3:::/, "");
  return { sourceBucket: manifest.sourceBucket, bucket, columns, files: manifest.files.map(({ key }) => key) };
}

/**
 * The images of an inventory, as lines of a run's manifest, streamed. Earlier versions, delete markers, folders, results and
 * what is no image by its name are left out; objects in archive classes are not: they end as rejected.
 *
 * @param uploads address of the uploads store, "s3://bucket/prefix/"
 * @param open the lines of one of the inventory's files, unzipped
 * @throws ClustsegError SOURCE_LIST_INVALID
 */
export async function* inventoryItems(
  inventory: Inventory,
  uploads: string,
  open: (file: string) => AsyncIterable<string>,
): AsyncGenerator<ManifestLine> {
  const [bucket, ...rest] = uploads.replace(/^s3:\/\//, "").split("/");
  const prefix = rest.join("/");
  if (inventory.sourceBucket !== bucket) {
    throw invalid(
      `the inventory is of the bucket ${inventory.sourceBucket}, not of ${bucket}`,
      "Give the uploads bucket's.",
    );
  }
  const at = (name: string) => inventory.columns.indexOf(name);
  const [keyAt, sizeAt, etagAt, latestAt, deletedAt] = ["Key", "Size", "ETag", "IsLatest", "IsDeleteMarker"].map(
    at,
  ) as [number, number, number, number, number];
  for (const file of inventory.files) {
    let number = 0;
    for await (const line of open(file)) {
      number++;
      if (line === "") continue;
      const values = parseCsvLine(line);
      if (values.length !== inventory.columns.length) throw invalidLine(file, number, "another number of columns");
      if (values[latestAt] === "false" || values[deletedAt] === "true") continue;
      const whole = decodeKey(values[keyAt] ?? "");
      if (whole === undefined) throw invalidLine(file, number, "a key that is not URL-encoded UTF-8");
      const key = whole.slice(prefix.length);
      if (!whole.startsWith(prefix) || !isImageKey(key, imageExtensions) || isResultKey(key)) continue;
      const size = Number(values[sizeAt]);
      const etag = (values[etagAt] ?? "").replaceAll('"', "");
      if (!Number.isSafeInteger(size) || size < 0) throw invalidLine(file, number, "a size that is no number");
      yield { bucket: uploads, key, etag, size };
    }
  }
}

/** Fields in quotes, in which a quote is written twice, or without quotes. No field holds a line's end: keys are URL-encoded. */
export function parseCsvLine(line: string): string[] {
  const values: string[] = [];
  const field = /(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/gy;
  const text = line.replace(/\r$/, "");
  while (field.lastIndex < text.length || values.length === 0) {
    const match = field.exec(text);
    if (match === null) return [];
    values.push((match[1] ?? match[2] ?? "").replaceAll('""', '"'));
  }
  return values;
}

function decodeKey(key: string): string | undefined {
  try {
    return decodeURIComponent(key.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}

function invalidLine(file: string, line: number, what: string): ClustsegError {
  return invalid(`line ${line} of ${file} has ${what}`, "Have S3 write the inventory again.");
}

function invalid(what: string, hint: string): ClustsegError {
  return new ClustsegError("SOURCE_LIST_INVALID", what, { hint });
}
