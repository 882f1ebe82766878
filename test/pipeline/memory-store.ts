import { compareKeys } from "../../layers/pipeline/keys.js";
import type { GetOptions, ObjectInfo, ObjectStore, PutOptions } from "../../layers/pipeline/ports.js";
import { ClustsegError } from "../../layers/segments/errors.js";

/** An ObjectStore in memory: a third real implementation of the port, that counts what is done to it. */
export class MemoryStore implements ObjectStore {
  readonly uri: string;
  readonly objects = new Map<string, { body: Uint8Array; etag: string }>();
  readonly writes: string[] = [];
  #version = 0;

  constructor(uri = "memory:///") {
    this.uri = uri;
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    const found = this.objects.get(key);
    return found && { key, size: found.body.length, etag: found.etag };
  }

  async get(key: string, options: GetOptions = {}): Promise<{ body: Uint8Array; info: ObjectInfo }> {
    const found = this.objects.get(key);
    if (found === undefined) throw new ClustsegError("OBJECT_NOT_FOUND", `${key} is not there`, { hint: "" });
    if (options.ifMatch !== undefined && options.ifMatch !== found.etag) {
      throw new ClustsegError("OBJECT_CHANGED", `${key} has changed`, { hint: "" });
    }
    const body = options.range ? found.body.slice(options.range.start, options.range.end) : found.body.slice();
    if (body.length > (options.maxBytes ?? Number.POSITIVE_INFINITY)) {
      throw new ClustsegError("OBJECT_TOO_LARGE", `${key} is too large`, { hint: "" });
    }
    return { body, info: { key, size: found.body.length, etag: found.etag } };
  }

  async *lines(key: string): AsyncGenerator<string> {
    const lines = new TextDecoder().decode((await this.get(key)).body).split("\n");
    if (lines.at(-1) === "") lines.pop();
    yield* lines;
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<"written" | "exists"> {
    if (options.ifAbsent && this.objects.has(key)) return "exists";
    if (options.ifMatch !== undefined && this.objects.get(key)?.etag !== options.ifMatch) return "exists";
    this.objects.set(key, { body: body.slice(), etag: `v${this.#version++}` });
    this.writes.push(key);
    return "written";
  }

  async putLines(key: string, lines: AsyncIterable<string> | Iterable<string>): Promise<void> {
    let text = "";
    for await (const line of lines) text += `${line}\n`;
    await this.put(key, new TextEncoder().encode(text));
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    for (const key of [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort(compareKeys)) {
      const info = await this.head(key);
      if (info) yield info;
    }
  }

  async delete(key: string): Promise<void> {
    this.objects.delete(key);
  }

  async text(key: string): Promise<string> {
    return new TextDecoder().decode((await this.get(key)).body);
  }
}
