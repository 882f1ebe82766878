import { z } from "zod";
import { ClustsegError, type ErrorCode } from "../segments/errors.js";
import type { SegmentInfo } from "../segments/segments-info.js";

/**
 * The documents that stages hand to each other through the staging store, and the ones in results. Each is validated
 * whenever it is read: another version of this program, or a container that has decoded hostile bytes, may have written it.
 */

const key = z.string().min(1);
const etag = z.string();
const count = z.int().nonnegative();
const resultIdText = z.string().regex(/^[0-9a-f]{32}$/);
const sha256Text = z.string().regex(/^[0-9a-f]{64}$/);
export const shardNameSchema = z.string().regex(/^\d{5,}$/);
export const runIdSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/);

export const parametersSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

const modelSchema = z.object({ name: z.string().min(1), version: z.string().min(1), sha256: sha256Text });

export const runRequestSchema = z.object({
  schema: z.literal("clustseg.run/1"),
  run_id: runIdSchema,
  /** URI of the uploads store. */
  source: z.string().min(1),
  model: modelSchema,
  task: z.string().min(1),
  parameters: parametersSchema,
  /** Sorted, without duplicates. */
  formats: z.array(z.string().min(1)),
  shard_items: z.int().positive(),
  shard_bytes: z.int().positive(),
  /** Segment also what has a current result. */
  force: z.boolean(),
  created_at: z.iso.datetime(),
  /** Of the manifest: lines, sum of sizes, chained SHA-256 of the lines. Tells whether a plan is still that of the source. */
  manifest: z.object({ items: count, bytes: count, digest: sha256Text }),
});
export type RunRequest = z.infer<typeof runRequestSchema>;

/** Who works on a run, in one process, and when that was last so. */
export const runLockSchema = z.object({
  schema: z.literal("clustseg.lock/1"),
  owner: z.string().min(1),
  renewed_at: z.iso.datetime(),
});
export type RunLockDocument = z.infer<typeof runLockSchema>;

/** One image of a run. An empty etag says that it was not there when the manifest was made (it will be rejected). */
export const manifestLineSchema = z.object({
  bucket: z.string(),
  key,
  etag,
  versionId: z.string().exactOptional(),
  /** Orders the uploads of one key, where an event told it (S3: hexadecimal, of varying length). */
  sequencer: z.string().exactOptional(),
  size: count,
});
export type ManifestLine = z.infer<typeof manifestLineSchema>;

/** A file "landed": what an S3 notification, an EventBridge event or a folder watcher says, in this program's words. */
export const uploadEventSchema = z.object({
  /** Decoded: "a b.jpg", not "a+b.jpg". */
  key,
  etag,
  size: count,
  versionId: z.string().exactOptional(),
  /** Orders the events of one key (S3: hexadecimal, of varying length). */
  sequencer: z.string().exactOptional(),
});
export type UploadEvent = z.infer<typeof uploadEventSchema>;

export const planSchema = z.object({
  schema: z.literal("clustseg.plan/1"),
  run_id: z.string(),
  manifest_digest: sha256Text,
  force: z.boolean(),
  items: count,
  skipped: count,
  shards: z.array(z.object({ shard: shardNameSchema, items: count, bytes: count })),
});
export type Plan = z.infer<typeof planSchema>;

const frameSizeSchema = z.object({ width: z.int().positive(), height: z.int().positive() });

const notes = z.array(z.string());

const outcomeErrorSchema = z.object({
  code: z.string().regex(/^[A-Z][A-Z0-9_]*$/),
  message: z.string(),
  hint: z.string(),
  retryable: z.boolean(),
});
const outcomeBase = { key, etag, result_id: resultIdText };
const ms = z.number().nonnegative();

/** How one item ended; every item of a run has exactly one. */
export const itemOutcomeSchema = z.discriminatedUnion("status", [
  z.object({
    ...outcomeBase,
    status: z.literal("segmented"),
    segments: count,
    /** Segments that are things; only of tasks that tell objects apart, where the background is a segment as well. */
    objects: count.exactOptional(),
    frame: frameSizeSchema,
    /** What decoding had to say ("first of 3 frames"); absent when that is nothing. */
    notes: notes.min(1).exactOptional(),
    /** There was a later upload of the key when this version was read; its result lies at `versionPlace`. */
    superseded: z.literal(true).exactOptional(),
    ms: z.object({ decode: ms, infer: ms, encode: ms }),
  }),
  z.object({ ...outcomeBase, status: z.literal("skipped") }),
  z.object({ ...outcomeBase, status: z.literal("rejected"), error: outcomeErrorSchema }),
]);
export type ItemOutcome = z.infer<typeof itemOutcomeSchema>;

/**
 * The rows of segments_info: ids 1..n in order, area and bbox in whole pixels. By hand, as a schema per row would cost more
 * than all else that is done for an image here.
 */
function areSegmentRows(value: unknown): boolean {
  return Array.isArray(value) && value.every(isSegmentRow);
}

function isSegmentRow(row: Partial<Record<keyof SegmentInfo, unknown>> | null, index: number): boolean {
  if (row?.id !== index + 1 || !isCount(row.area) || row.area === 0) return false;
  const { category_id: category, isthing = false, score = 0 } = row;
  if (category !== undefined && !isCount(category)) return false;
  if (typeof isthing !== "boolean" || typeof score !== "number" || score < 0 || score > 1) return false;
  return Array.isArray(row.bbox) && row.bbox.length === 4 && row.bbox.every(isCount);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

const color = z.int().min(0).max(255);
const categorySchema = z.object({
  id: count,
  name: z.string().min(1),
  isthing: z.boolean(),
  color: z.tuple([color, color, color]),
});

/** A result's metadata.json, as far as the pipeline relies on it; it may hold more. */
export const metadataSchema = z.object({
  schema: z.literal("clustseg.result/1"),
  result_id: resultIdText,
  source: z.object({
    uri: z.string(),
    key,
    etag,
    version_id: z.string().exactOptional(),
    /** These two tell which of two uploads of one key is the later. */
    sequencer: z.string().exactOptional(),
    last_modified: z.iso.datetime().exactOptional(),
    size: count,
  }),
  frame: frameSizeSchema.extend({ notes: notes.exactOptional() }),
  model: modelSchema,
  task: z.string(),
  parameters: parametersSchema,
  formats: z.array(z.string()),
  segments: count,
  segments_info: z.custom<readonly SegmentInfo[]>(areSegmentRows, "not the rows of segments 1..n"),
  /** The classes that segments can have; none for superpixels. */
  categories: z.array(categorySchema),
  files: z.array(z.object({ name: z.string(), bytes: count })),
});
export type ResultMetadata = z.infer<typeof metadataSchema>;

const spread = z.object({ min: z.number(), mean: z.number(), max: z.number() });

/** What a run came to. Its size does not grow with the number of items: the list of them is in `items_file`. */
export const reportSchema = z.object({
  schema: z.literal("clustseg.report/1"),
  run_id: z.string(),
  status: z.enum(["completed", "cancelled", "over_budget", "failed"]),
  source: z.string(),
  results: z.string(),
  model: modelSchema,
  task: z.string(),
  parameters: parametersSchema,
  formats: z.array(z.string()),
  items: z.object({ total: count, segmented: count, skipped: count, rejected: count, pending: count }),
  rejected_by_code: z.record(z.string(), count),
  /** The first of them, at most `maxReportedRejects`. */
  rejected: z.array(z.object({ key, ...outcomeErrorSchema.shape })),
  /** Over the images segmented; absent when there are none. */
  segments: spread.exactOptional(),
  ms: z.object({ decode: spread, infer: spread, encode: spread }).exactOptional(),
  started_at: z.iso.datetime(),
  finished_at: z.iso.datetime(),
  /** Wall time of this call; a run that was resumed has had earlier ones. */
  seconds: z.number(),
  /** Images segmented or rejected in this call per second of it. */
  images_per_second: z.number(),
  /** Key in results of the JSONL with one ItemOutcome a line. */
  items_file: z.string(),
});
export type RunReport = z.infer<typeof reportSchema>;

/**
 * Parse one JSON document against its schema.
 * @param what for the message: which document of which place
 */
export function parseDocument<T>(schema: z.ZodType<T>, text: string, code: ErrorCode, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ClustsegError(code, `${what} is not JSON`, { hint: "It may have been edited or cut short.", cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ClustsegError(code, `${what}: ${z.prettifyError(parsed.error).replaceAll("\n", "; ")}`, {
    hint: "It was written by another version of clustseg, or edited by hand.",
  });
}
