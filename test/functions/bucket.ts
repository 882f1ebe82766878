import type { UploadEvent } from "../../layers/pipeline/contracts.js";
import type { GetOptions, ObjectInfo, PutOptions } from "../../layers/pipeline/ports.js";
import { sha256Hex } from "../../layers/pipeline/result-id.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { MemoryStore } from "../pipeline/memory-store.js";

/** What is thrown where the process is to be thought of as dead: nothing after it is done. */
export class Death extends Error {}

/**
 * A bucket in memory: etags of the bytes, times, versions if so made, and a record of what was written. `before` is called
 * before each request and may throw.
 */
export class Bucket extends MemoryStore {
  readonly #time: { now: number };
  before: (request: string, key: string) => Promise<void> | void = () => {};
  /** Called when a write was done, before its answer arrives. */
  after: (request: string, key: string) => void = () => {};
  /** Key and etag of each write. */
  readonly puts: string[] = [];
  readonly #versions = new Map<string, { body: Uint8Array; info: ObjectInfo }>();
  readonly #latest = new Map<string, ObjectInfo>();
  readonly #versioned: boolean;
  #count = 0;

  /** @param time advances by a second with each write, as S3's times do at best */
  constructor(uri: string, time: { now: number }, options: { readonly versioned?: boolean } = {}) {
    super(uri);
    this.#time = time;
    this.#versioned = options.versioned ?? false;
  }

  override async head(key: string): Promise<ObjectInfo | undefined> {
    await this.before("HEAD", key);
    return this.#infoOf(key);
  }

  override async get(key: string, options: GetOptions = {}): Promise<{ body: Uint8Array; info: ObjectInfo }> {
    await this.before("GET", key);
    const { versionId } = options;
    const version = versionId === undefined ? undefined : this.#versions.get(`${versionId} ${key}`);
    if (versionId !== undefined) {
      if (version === undefined) throw new ClustsegError("OBJECT_NOT_FOUND", `${key} ${versionId}`, { hint: "" });
      return { body: version.body.slice(), info: version.info };
    }
    const found = await super.get(key, options);
    return { ...found, info: this.#latest.get(key)! };
  }

  override async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<"written" | "exists"> {
    await this.before("PUT", key);
    const { ifMatch, ...others } = options;
    if (ifMatch !== undefined && this.#latest.get(key)?.etag !== ifMatch) return "exists";
    if ((await super.put(key, body, others)) === "exists") return "exists";
    this.#time.now += 1000;
    const info: ObjectInfo = {
      key,
      size: body.length,
      // One more write of the same bytes is told apart, as nothing here may rely on that it is not.
      etag: sha256Hex(body).slice(0, 16),
      lastModified: this.#time.now,
      ...(this.#versioned ? { versionId: `version-${++this.#count}` } : {}),
    };
    this.objects.set(key, { body: body.slice(), etag: info.etag });
    this.#latest.set(key, info);
    if (this.#versioned) this.#versions.set(`${info.versionId} ${key}`, { body: body.slice(), info });
    this.puts.push(`${key} ${info.etag}`);
    this.after("PUT", key);
    return "written";
  }

  override async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    await this.before("LIST", prefix);
    for await (const { key } of super.list(prefix)) {
      const info = this.#infoOf(key);
      if (info !== undefined) yield info;
    }
  }

  override async delete(key: string): Promise<void> {
    await this.before("DELETE", key);
    this.#latest.delete(key);
    await super.delete(key);
    this.after("DELETE", key);
  }

  async *pieces(key: string): AsyncGenerator<Uint8Array> {
    yield (await this.get(key)).body;
  }

  /** Put an image and say what S3 would say of it. */
  async upload(key: string, body: Uint8Array): Promise<UploadEvent> {
    await this.put(key, body);
    const { size, etag, versionId } = this.#infoOf(key)!;
    const sequencer = (0x100000 + this.writes.length).toString(16).toUpperCase();
    return { key, size, etag, sequencer, ...(versionId === undefined ? {} : { versionId }) };
  }

  /** All objects as text, but for those below `except`. */
  contents(except: readonly string[] = []): Record<string, string> {
    const keys = [...this.objects.keys()].filter((key) => !except.some((prefix) => key.startsWith(prefix))).sort();
    return Object.fromEntries(keys.map((key) => [key, Buffer.from(this.objects.get(key)!.body).toString("latin1")]));
  }

  /** Keys and etags, but for those below `except`. */
  fingerprints(except: readonly string[] = []): string[] {
    return Object.keys(this.contents(except)).map((key) => `${key} ${this.#infoOf(key)?.etag}`);
  }

  #infoOf(key: string): ObjectInfo | undefined {
    return this.objects.has(key) ? this.#latest.get(key) : undefined;
  }
}
