import { z } from "zod";
import { claimOf } from "../pipeline/claim.js";
import { parseDocument } from "../pipeline/contracts.js";
import { resultKey } from "../pipeline/keys.js";
import type { ObjectStore } from "../pipeline/ports.js";
import type { ClassCount, IndexCategory } from "./wire.js";

/** What an index says of one result, read from its metadata.json. */
export interface ResultSummary {
  readonly width: number;
  readonly height: number;
  readonly task: string;
  readonly segments: number;
  readonly classes: readonly ClassCount[];
  readonly categories: readonly IndexCategory["category"][];
  readonly source: SourceIdentity;
}

/** Which image a result was made from. */
export interface SourceIdentity {
  /** Of the store. */
  readonly uri: string;
  readonly key: string;
  readonly etag: string;
}

/**
 * Enough for all that stands before segments_info, names of 1,024 bytes included. A table of superpixels is a hundred times
 * as long, and an index needs nothing of it.
 */
const headBytes = 8192;
const endOfHead = ',"segments_info":[';

const channel = z.int().min(0).max(255);

const headSchema = z.object({
  schema: z.literal("clustseg.result/1"),
  source: z.object({ uri: z.string(), key: z.string().min(1), etag: z.string() }),
  frame: z.object({ width: z.int().positive(), height: z.int().positive() }),
  task: z.string(),
  segments: z.int().nonnegative(),
});

const wholeSchema = headSchema.extend({
  segments_info: z.array(z.object({ category_id: z.int().exactOptional(), score: z.number().exactOptional() })),
  categories: z
    .array(
      z.object({ id: z.int(), name: z.string(), isthing: z.boolean(), color: z.tuple([channel, channel, channel]) }),
    )
    .default([]),
});

/**
 * @returns undefined when the result is being written just now
 * @throws ClustsegError METADATA_INVALID, or what the store throws
 */
export async function readSummary(results: ObjectStore, key: string): Promise<ResultSummary | undefined> {
  const metadataKey = resultKey(key, "metadata.json");
  const { body, info } = await results.get(metadataKey, { range: { start: 0, end: headBytes } });
  if (claimOf(body) !== undefined) return undefined;
  const text = new TextDecoder().decode(body);
  // Never inside a name: there, the quotes would have backslashes before them.
  const end = text.indexOf(endOfHead);
  if (end > 0) {
    const head = parseDocument(headSchema, `${text.slice(0, end)}}`, "METADATA_INVALID", metadataKey);
    if (head.task === "superpixel") return { ...common(head), classes: [], categories: [] };
  }
  const all = body.length === info.size ? text : new TextDecoder().decode((await results.get(metadataKey)).body);
  const whole = parseDocument(wholeSchema, all, "METADATA_INVALID", metadataKey);
  return { ...common(whole), ...classesOf(whole) };
}

function common({ source, frame, task, segments }: z.infer<typeof headSchema>) {
  return { width: frame.width, height: frame.height, task, segments, source };
}

function classesOf({
  segments_info,
  categories,
}: z.infer<typeof wholeSchema>): Pick<ResultSummary, "classes" | "categories"> {
  const counts = new Map<number, { segments: number; score: number | null }>();
  for (const { category_id: id, score } of segments_info) {
    if (id === undefined) continue;
    const so = counts.get(id) ?? { segments: 0, score: null };
    so.segments++;
    if (score !== undefined) so.score = Math.max(so.score ?? 0, score);
    counts.set(id, so);
  }
  const named = categories.filter(({ id }) => counts.has(id));
  return {
    classes: named.map(({ id, name }) => [name, counts.get(id)!.segments, counts.get(id)!.score] as const),
    categories: named.map(({ name, isthing, color }) => ({ name, isthing, color })),
  };
}
