import type { z } from "zod";
import type { ErrorCode } from "../segments/errors.js";
import {
  type ItemOutcome,
  itemOutcomeSchema,
  type ManifestLine,
  manifestLineSchema,
  parseDocument,
} from "./contracts.js";
import type { ObjectStore } from "./ports.js";

/** Documents of one line each, read as a stream and validated. Empty lines are passed over. */
export async function* readJsonLines<T>(
  store: ObjectStore,
  key: string,
  schema: z.ZodType<T>,
  code: ErrorCode,
): AsyncGenerator<T> {
  let number = 0;
  for await (const line of store.lines(key)) {
    number++;
    if (line !== "") yield parseDocument(schema, line, code, `line ${number} of ${key}`);
  }
}

/** @throws ClustsegError MANIFEST_INVALID */
export function readManifest(staging: ObjectStore, key: string): AsyncGenerator<ManifestLine> {
  return readJsonLines(staging, key, manifestLineSchema, "MANIFEST_INVALID");
}

/** @throws ClustsegError OUTCOME_INVALID */
export function readOutcomes(staging: ObjectStore, key: string): AsyncGenerator<ItemOutcome> {
  return readJsonLines(staging, key, itemOutcomeSchema, "OUTCOME_INVALID");
}

/** Arrays of `size` values, the last one shorter. */
export async function* inChunks<T>(values: AsyncIterable<T> | Iterable<T>, size: number): AsyncGenerator<T[]> {
  let chunk: T[] = [];
  for await (const value of values) {
    chunk.push(value);
    if (chunk.length === size) {
      yield chunk;
      chunk = [];
    }
  }
  if (chunk.length > 0) yield chunk;
}

export function* toLines(values: Iterable<unknown>): Generator<string> {
  for (const value of values) yield JSON.stringify(value);
}
