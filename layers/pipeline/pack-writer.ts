import { stagingKeys } from "./keys.js";
import { encodePack, type PackItem } from "./pack.js";
import type { Clock, ObjectStore } from "./ports.js";

export interface PackWriterOptions {
  readonly staging: ObjectStore;
  readonly runId: string;
  readonly shard: string;
  readonly firstPack: number;
  readonly packItems: number;
  readonly packBytes: number;
  readonly packSeconds: number;
  readonly clock: Clock;
  /** Called after a pack was written; the next one waits for it, which is the back-pressure of publishing. */
  readonly onPack?: (pack: number, items: number) => Promise<void> | void;
}

/** Gathers finished items and writes them as packs, one at a time, while more items are gathered. */
export class PackWriter {
  readonly #options: PackWriterOptions;
  #next: number;
  #items: PackItem[] = [];
  #bytes = 0;
  #since = 0;
  #writing: Promise<void> = Promise.resolve();
  #inLine = 0;
  #error: unknown;

  constructor(options: PackWriterOptions) {
    this.#options = options;
    this.#next = options.firstPack;
  }

  /** Resolves at once, or, when two packs are being written or wait for it, when they are done. */
  async add(item: PackItem): Promise<void> {
    // Staging that is slower than the model must not let packs pile up.
    while (this.#inLine > 1 && this.#error === undefined) await this.#writing.catch(() => {});
    if (this.#error !== undefined) throw this.#error;
    const { packItems, packBytes, packSeconds, clock } = this.#options;
    if (this.#items.length === 0) this.#since = clock.now();
    this.#items.push(item);
    for (const body of item.files.values()) this.#bytes += body.length;
    const old = clock.now() - this.#since >= packSeconds * 1000;
    if (this.#items.length >= packItems || this.#bytes >= packBytes || old) {
      const before = this.#writing;
      this.#write();
      if (this.#inLine > 1) await before;
    }
  }

  /** Write what is left, and wait until all is written. */
  async flush(): Promise<void> {
    if (this.#items.length > 0) this.#write();
    await this.#writing;
  }

  #write(): void {
    const items = this.#items;
    this.#items = [];
    this.#bytes = 0;
    this.#inLine++;
    this.#writing = this.#writing.then(() => this.#put(items)).finally(() => this.#inLine--);
    // Whoever adds or flushes next gets the error.
    this.#writing.catch((error: unknown) => {
      this.#error ??= error;
    });
  }

  async #put(items: readonly PackItem[]): Promise<void> {
    const { staging, runId, shard, onPack } = this.#options;
    const body = await encodePack({ runId, shard, items });
    // A number may be taken by another worker that has the same shard.
    let number = this.#next++;
    while ((await staging.put(stagingKeys(runId).pack(shard, number), body, { ifAbsent: true })) === "exists") {
      number = this.#next++;
    }
    await onPack?.(number, items.length);
  }
}
