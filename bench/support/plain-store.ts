import { createHash } from "node:crypto";
import { compareKeys } from "../../layers/pipeline/keys.js";
import type { GetOptions, ObjectInfo, ObjectStore, PutOptions } from "../../layers/pipeline/ports.js";
import { ClustsegError } from "../../layers/segments/errors.js";

interface Stored {
  readonly body: Uint8Array;
  readonly size: number;
  readonly etag: string;
}

export interface PlainStoreOptions {
  readonly uri: string;
  /** Bytes after the first so many of each object are forgotten, so that memory does not measure what was written. @default all are kept */
  readonly keep?: number;
}

/** Objects in this process's memory, as fast as a store can be: what is left is what the pipeline itself costs. */
export class PlainStore implements ObjectStore {
  readonly uri: string;
  readonly #keep: number;
  readonly #objects = new Map<string, Stored>();

  constructor({ uri, keep = Number.POSITIVE_INFINITY }: PlainStoreOptions) {
    this.uri = uri;
    this.#keep = keep;
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    const found = this.#objects.get(key);
    return found && { key, size: found.size, etag: found.etag };
  }

  async get(key: string, { range, ifMatch }: GetOptions = {}): Promise<{ body: Uint8Array; info: ObjectInfo }> {
    const found = this.#objects.get(key);
    if (found === undefined) throw new ClustsegError("OBJECT_NOT_FOUND", `${key} is not there`, { hint: "" });
    if (ifMatch !== undefined && ifMatch !== found.etag) {
      throw new ClustsegError("OBJECT_CHANGED", `${key} has changed`, { hint: "" });
    }
    const body = range === undefined ? found.body : found.body.slice(range.start, range.end);
    if (range === undefined && found.body.length < found.size) throw new Error(`${key} was forgotten, and is read`);
    return { body, info: { key, size: found.size, etag: found.etag } };
  }

  async *lines(key: string): AsyncGenerator<string> {
    const text = new TextDecoder().decode((await this.get(key)).body);
    for (const line of text.split("\n")) if (line !== "") yield line;
  }

  async put(key: string, body: Uint8Array, { ifAbsent, ifMatch }: PutOptions = {}): Promise<"written" | "exists"> {
    const there = this.#objects.get(key);
    if (ifAbsent === true && there !== undefined) return "exists";
    if (ifMatch !== undefined && there?.etag !== ifMatch) return "exists";
    const etag = createHash("md5").update(body).digest("hex");
    this.#objects.set(key, { body: body.slice(0, this.#keep), size: body.length, etag });
    return "written";
  }

  async putLines(key: string, lines: AsyncIterable<string> | Iterable<string>): Promise<void> {
    const pieces: string[] = [];
    for await (const line of lines) pieces.push(`${line}\n`);
    await this.put(key, new TextEncoder().encode(pieces.join("")));
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix)).sort(compareKeys);
    for (const key of keys) {
      const info = await this.head(key);
      if (info !== undefined) yield info;
    }
  }

  async delete(key: string): Promise<void> {
    this.#objects.delete(key);
  }
}
