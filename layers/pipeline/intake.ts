import { ClustsegError } from "../segments/errors.js";
import {
  type ManifestLine,
  parseDocument,
  type RunRequest,
  runRequestSchema,
  type UploadEvent,
  uploadEventSchema,
} from "./contracts.js";
import { inChunks } from "./json-lines.js";
import { compareKeys, imageExtensions, isImageKey, isResultKey, stagingKeys } from "./keys.js";
import { type Clock, type ModelIdentity, type Parameters, type RunStores, systemClock } from "./ports.js";
import { type Json, runIdOf, sha256Hex } from "./result-id.js";
import { mapBounded } from "./semaphore.js";

/**
 * What a run is to segment: all images under a prefix, streamed; keys that somebody named (held in memory, not filtered by
 * extension); or a batch of upload events (in memory), which may hold duplicates and come in any order.
 */
export type IntakeSource =
  | { readonly kind: "prefix"; readonly prefix: string }
  | { readonly kind: "keys"; readonly keys: AsyncIterable<string> | Iterable<string> }
  | { readonly kind: "events"; readonly events: Iterable<UploadEvent> };

export interface IntakeOptions {
  readonly stores: Pick<RunStores, "uploads" | "staging">;
  readonly source: IntakeSource;
  readonly model: ModelIdentity;
  readonly task: string;
  readonly parameters: Parameters;
  /** @default none but segments.png and metadata.json */
  readonly formats?: readonly string[];
  /** Images in a shard at most. @default 2048 */
  readonly shardItems?: number;
  /** Image bytes in a shard at most (one image may have more). @default 2 GiB */
  readonly shardBytes?: number;
  /** Segment also what has a current result. @default false */
  readonly force?: boolean;
  /** Lower case, with the dot. @default imageExtensions */
  readonly extensions?: readonly string[];
  readonly clock?: Clock;
  /** Called now and then with the number of images found so far. */
  readonly onListed?: (items: number) => void;
}

const headsAtOnce = 32;
const digestChunkLines = 4096;

/**
 * Write a run's manifest and request to staging. The run's id depends on the source, what was selected of it, model, task,
 * parameters and formats only: asked again, the same run goes on. A source without images gives a request with 0 items.
 *
 * @throws ClustsegError TASK_UNSUPPORTED, EVENT_INVALID, or a STORE_* code
 */
export async function intake(options: IntakeOptions): Promise<RunRequest> {
  const { stores, model, task, parameters, clock = systemClock } = options;
  if (!model.tasks.includes(task)) {
    throw new ClustsegError("TASK_UNSUPPORTED", `${model.name} does not do the task "${task}"`, {
      hint: `Ask for one of its tasks: ${model.tasks.join(", ")}.`,
    });
  }
  const { name, version, sha256 } = model;
  const recipe = {
    source: stores.uploads.uri,
    model: { name, version, sha256 },
    task,
    parameters: { ...parameters },
    formats: [...new Set(options.formats ?? [])].sort(),
  };
  const { selection, items } = await select(options);
  const runId = runIdOf(recipe, selection, options.force ?? false);
  const keys = stagingKeys(runId);
  const earlier = await readRequest(stores.staging, runId).catch(() => undefined);

  const tally = new ManifestTally(options.onListed);
  await stores.staging.putLines(keys.manifest, tally.lines(items));
  const request: RunRequest = {
    schema: "clustseg.run/1",
    run_id: runId,
    ...recipe,
    shard_items: options.shardItems ?? 2048,
    shard_bytes: options.shardBytes ?? 2 * 1024 ** 3,
    force: options.force ?? false,
    created_at: earlier?.created_at ?? new Date(clock.now()).toISOString(),
    manifest: { items: tally.items, bytes: tally.bytes, digest: tally.digest },
  };
  await stores.staging.put(keys.request, new TextEncoder().encode(`${JSON.stringify(request, undefined, 2)}\n`), {
    contentType: "application/json",
  });
  return request;
}

/** @throws ClustsegError RUN_NOT_FOUND, RUN_REQUEST_INVALID */
export async function readRequest(staging: RunStores["staging"], runId: string): Promise<RunRequest> {
  const { request: key } = stagingKeys(runId);
  const found = await staging.get(key).catch((cause: unknown) => {
    if (!(cause instanceof ClustsegError) || cause.code !== "OBJECT_NOT_FOUND") throw cause;
    throw new ClustsegError("RUN_NOT_FOUND", `there is no run ${runId} in ${staging.uri}`, {
      hint: "Start it again from its source.",
      cause,
    });
  });
  return parseDocument(runRequestSchema, new TextDecoder().decode(found.body), "RUN_REQUEST_INVALID", key);
}

interface Selection {
  readonly selection: Json;
  readonly items: AsyncIterable<ManifestLine> | Iterable<ManifestLine>;
}

async function select({
  stores: { uploads },
  source,
  extensions = imageExtensions,
}: IntakeOptions): Promise<Selection> {
  const bucket = uploads.uri;
  switch (source.kind) {
    case "prefix":
      return {
        selection: { prefix: source.prefix, extensions },
        items: listImages(uploads, source.prefix, extensions),
      };
    case "keys": {
      const keys = new Set<string>();
      // Lists are often written on other systems: "\r" at the end belongs to the line's end.
      for await (const key of source.keys) if (key.replace(/\r$/, "") !== "") keys.add(key.replace(/\r$/, ""));
      const sorted = [...keys].sort(compareKeys);
      return { selection: { keys: sha256Hex(JSON.stringify(sorted)) }, items: headAll(uploads, sorted) };
    }
    case "events": {
      const items = await settleEvents(uploads, source.events, extensions);
      const lines = items.map(({ key, etag, versionId, size }) => ({
        bucket,
        key,
        etag,
        ...(versionId === undefined ? {} : { versionId }),
        size,
      }));
      return { selection: { events: sha256Hex(JSON.stringify(lines)) }, items: lines };
    }
  }
}

async function* listImages(
  uploads: RunStores["uploads"],
  prefix: string,
  extensions: readonly string[],
): AsyncGenerator<ManifestLine> {
  const bucket = uploads.uri;
  for await (const { key, etag, versionId, size } of uploads.list(prefix)) {
    if (!isImageKey(key, extensions) || isResultKey(key)) continue;
    yield { bucket, key, etag, ...(versionId === undefined ? {} : { versionId }), size };
  }
}

/** What is not there gets a line too, with an empty etag: somebody named it, so it must end in an outcome. */
async function* headAll(uploads: RunStores["uploads"], keys: readonly string[]): AsyncGenerator<ManifestLine> {
  const bucket = uploads.uri;
  for await (const chunk of inChunks(keys, 1024)) {
    const infos = await mapBounded(chunk, headsAtOnce, (key) => headOrNothing(uploads, key));
    for (const [i, info] of infos.entries()) {
      const versionId = info?.versionId;
      yield {
        bucket,
        key: chunk[i]!,
        etag: info?.etag ?? "",
        ...(versionId === undefined ? {} : { versionId }),
        size: info?.size ?? 0,
      };
    }
  }
}

/** An object that is there but cannot be looked at counts as missing here; reading it will tell the true reason. */
async function headOrNothing(uploads: RunStores["uploads"], key: string) {
  try {
    return await uploads.head(key);
  } catch (error) {
    if (error instanceof ClustsegError && error.fault === "input") return undefined;
    throw error;
  }
}

/**
 * One event per key, in the order of keys: the newest. Where the events do not tell which is newest (no sequencer), the
 * store does; if the object is gone, any choice that does not depend on the order will do, as reading it will reject it.
 */
async function settleEvents(
  uploads: RunStores["uploads"],
  events: Iterable<UploadEvent>,
  extensions: readonly string[],
): Promise<UploadEvent[]> {
  const newest = new Map<string, UploadEvent>();
  const unclear = new Set<string>();
  for (const candidate of events) {
    const parsed = uploadEventSchema.safeParse(candidate);
    if (!parsed.success) {
      throw new ClustsegError("EVENT_INVALID", `an upload event is not as expected: ${parsed.error.message}`, {
        hint: "Send key, etag and size of the object.",
      });
    }
    const event = parsed.data;
    if (!isImageKey(event.key, extensions) || isResultKey(event.key)) continue;
    const other = newest.get(event.key);
    if (other !== undefined && other.etag !== event.etag) {
      if (other.sequencer === undefined || event.sequencer === undefined) unclear.add(event.key);
    }
    if (other === undefined || isNewer(event, other)) newest.set(event.key, event);
  }
  await mapBounded([...unclear], headsAtOnce, async (key) => {
    const info = await headOrNothing(uploads, key);
    if (info !== undefined) newest.set(key, info);
  });
  return [...newest.values()].sort((a, b) => compareKeys(a.key, b.key));
}

function isNewer(a: UploadEvent, b: UploadEvent): boolean {
  if (a.sequencer !== undefined && b.sequencer !== undefined) {
    // Hexadecimal numbers of varying length: S3 says to pad the shorter with zeros on the right.
    const length = Math.max(a.sequencer.length, b.sequencer.length);
    return a.sequencer.padEnd(length, "0") > b.sequencer.padEnd(length, "0");
  }
  return compareKeys(`${a.etag} ${a.versionId ?? ""}`, `${b.etag} ${b.versionId ?? ""}`) > 0;
}

/** Counts the manifest's lines while they stream by, and chains a SHA-256 over them, some thousand lines at a time. */
class ManifestTally {
  items = 0;
  bytes = 0;
  digest = "0".repeat(64);
  readonly #onListed: ((items: number) => void) | undefined;

  constructor(onListed: ((items: number) => void) | undefined) {
    this.#onListed = onListed;
  }

  async *lines(items: AsyncIterable<ManifestLine> | Iterable<ManifestLine>): AsyncGenerator<string> {
    for await (const chunk of inChunks(items, digestChunkLines)) {
      let text = this.digest;
      for (const item of chunk) {
        const line = JSON.stringify(item);
        text += `\n${line}`;
        this.items++;
        this.bytes += item.size;
        yield line;
      }
      this.digest = sha256Hex(text);
      this.#onListed?.(this.items);
    }
  }
}
