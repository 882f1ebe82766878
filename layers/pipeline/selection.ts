import { ClustsegError } from "../segments/errors.js";
import { type ManifestLine, type UploadEvent, uploadEventSchema } from "./contracts.js";
import { inChunks } from "./json-lines.js";
import { compareKeys, imageExtensions, isImageKey, isResultKey } from "./keys.js";
import type { ObjectStore } from "./ports.js";
import { type Json, sha256Hex } from "./result-id.js";
import { mapBounded } from "./semaphore.js";
import { compareSequencers } from "./uploads-order.js";

/**
 * What a run is to segment: all images under a prefix, streamed; keys that somebody named (held in memory, not filtered by
 * extension); or a batch of upload events (in memory), which may hold duplicates and come in any order.
 */
export type IntakeSource =
  | { readonly kind: "prefix"; readonly prefix: string }
  | { readonly kind: "keys"; readonly keys: AsyncIterable<string> | Iterable<string> }
  | { readonly kind: "events"; readonly events: Iterable<UploadEvent> }
  /** Lines that somebody else has found, streamed; `identity` tells this selection from others. */
  | { readonly kind: "lines"; readonly identity: Json; readonly lines: AsyncIterable<ManifestLine> };

const headsAtOnce = 32;

interface Selection {
  /** What was asked for, as far as it tells one run from another. */
  readonly selection: Json;
  readonly items: AsyncIterable<ManifestLine> | Iterable<ManifestLine>;
}

/**
 * The images that a source selects, as lines of a manifest in the order of keys.
 * @param extensions lower case, with the dot
 * @throws ClustsegError EVENT_INVALID, or a STORE_* code
 */
export async function selectItems(
  uploads: ObjectStore,
  source: IntakeSource,
  extensions: readonly string[] = imageExtensions,
): Promise<Selection> {
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
      const identity = sha256Hex(JSON.stringify(lines));
      const sequencers = new Map(items.map(({ key, sequencer }) => [key, sequencer]));
      const ordered = lines.map((line) => {
        const sequencer = sequencers.get(line.key);
        return sequencer === undefined ? line : { ...line, sequencer };
      });
      return { selection: { events: identity }, items: ordered };
    }
    case "lines":
      return { selection: source.identity, items: source.lines };
  }
}

async function* listImages(
  uploads: ObjectStore,
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
export async function* headAll(
  uploads: ObjectStore,
  keys: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<ManifestLine> {
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
async function headOrNothing(uploads: ObjectStore, key: string) {
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
  uploads: ObjectStore,
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
      const told = other.sequencer !== undefined && event.sequencer !== undefined;
      if (!told || compareSequencers(event.sequencer, other.sequencer) === 0) unclear.add(event.key);
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
    return compareSequencers(a.sequencer, b.sequencer) > 0;
  }
  return compareKeys(`${a.etag} ${a.versionId ?? ""}`, `${b.etag} ${b.versionId ?? ""}`) > 0;
}
