import type { Category } from "../segments/categories.js";
import type { Frame } from "../segments/frame.js";
import type { SegmentRow } from "../segments/table.js";

/** What a store knows of one object without reading it. `etag` is opaque: equal etags mean equal bytes. */
export interface ObjectInfo {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  readonly etag: string;
  readonly versionId?: string;
  /** When it was written, ms since 1970, as far as the store tells it of its own accord. */
  readonly lastModified?: number;
}

export interface GetOptions {
  /** Bytes `start` to `end`, `end` exclusive; a range past the object's end gives fewer bytes, or none. */
  readonly range?: { readonly start: number; readonly end: number };
  /** Only if the object still has this etag, else OBJECT_CHANGED. */
  readonly ifMatch?: string;
  /** Refuse, before reading, when more bytes than this would be returned (OBJECT_TOO_LARGE). */
  readonly maxBytes?: number;
  /** This version and no other, of stores that keep versions; others take no notice. */
  readonly versionId?: string;
}

export interface PutOptions {
  readonly contentType?: string;
  /** Write only if there is no object at the key; one of several writers at once wins, the others get "exists". */
  readonly ifAbsent?: boolean;
  /**
   * Write only over the object with this etag, else "exists". Between processes only as atomic as the store can be: S3 is, a
   * folder looks first and writes then.
   */
  readonly ifMatch?: string;
}

/** Objects by key: a bucket, or a folder that is used like one. Writes are atomic: a reader sees a whole object or none. */
export interface ObjectStore {
  /** Where it is, for messages and metadata, and the identity of a source: "s3://bucket/prefix", "file:///…". */
  readonly uri: string;
  head(key: string): Promise<ObjectInfo | undefined>;
  /** @throws ClustsegError OBJECT_NOT_FOUND, OBJECT_CHANGED, OBJECT_TOO_LARGE, OBJECT_UNREADABLE, or a STORE_* code */
  get(key: string, options?: GetOptions): Promise<{ readonly body: Uint8Array; readonly info: ObjectInfo }>;
  /** The lines of a UTF-8 text, split at "\n" only, streamed: memory does not grow with the object. */
  lines(key: string): AsyncIterable<string>;
  /**
   * @returns "exists" when a condition of `options` did not hold: nothing was written
   * @throws ClustsegError STORE_FULL, STORE_READ_ONLY, STORE_WRITE_FAILED; then nothing is left that looks whole
   */
  put(key: string, body: Uint8Array, options?: PutOptions): Promise<"written" | "exists">;
  /** Each line and a "\n", streamed; the object appears when the last line is in, and not at all if `lines` throws. */
  putLines(key: string, lines: AsyncIterable<string> | Iterable<string>): Promise<void>;
  /** All objects whose key starts with `prefix`, in the order of their keys' UTF-8 bytes, streamed. */
  list(prefix: string): AsyncIterable<ObjectInfo>;
  /** No error when there is nothing at the key. */
  delete(key: string): Promise<void>;
}

/** The three roles a store can have in a run. One bucket or folder may play several, under different prefixes. */
export interface RunStores {
  /** Images; only read. */
  readonly uploads: ObjectStore;
  /** Work in progress: manifests, shards, packs, outcomes. */
  readonly staging: ObjectStore;
  readonly results: ObjectStore;
}

/** Milliseconds since 1970. A port, so that reports can be tested. */
export interface Clock {
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** The process that works on a run, as far as the pipeline has to know of processes. */
export interface RunOwner {
  /** Tells it from all others, on whatever machine; shown to people. */
  readonly name: string;
  /** Has the owner of this name ended, for certain? Then its run is free at once. False when that cannot be known. */
  hasEnded(name: string): boolean;
}

export interface ModelIdentity {
  readonly name: string;
  readonly version: string;
  /** Of the graph, 64 hexadecimal digits. */
  readonly sha256: string;
  readonly tasks: readonly string[];
}

/** Settings of a task, such as `{ superpixels: 300 }`; opaque here, checked by the Segmenter. */
export type Parameters = Readonly<Record<string, string | number | boolean>>;

export interface SegmentationRequest {
  readonly task: string;
  readonly parameters: Parameters;
  /** Extra result files asked for, such as "overlay"; segments.png always comes. */
  readonly formats: readonly string[];
  /** What the image is called in files that name it (COCO's file_name): its key. @default "" */
  readonly name?: string;
}

export interface SegmentedImage {
  readonly frame: Frame;
  readonly segments: readonly SegmentRow[];
  /** The classes that segments can have. @default none, as for superpixels */
  readonly categories?: readonly Category[];
  /** Result files by name; names are those of `resultFileTypes`, metadata.json excepted: the pipeline writes that. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly ms: { readonly decode: number; readonly infer: number; readonly encode: number };
}

/**
 * Image bytes in, result files out. Equal bytes and request give equal files, whatever runs beside them.
 * A ClustsegError with fault "input" rejects the image; "user" stops the run, as every image would fail alike; "system"
 * rejects the image, and stops the run if it goes on happening.
 */
export interface Segmenter {
  readonly model: ModelIdentity;
  process(bytes: Uint8Array, request: SegmentationRequest): Promise<SegmentedImage>;
}
