import type { ManifestLine } from "./contracts.js";
import { type PublishOptions, publishPack } from "./publish-shard.js";
import { Semaphore } from "./semaphore.js";

/** Packs that may wait for publishing before segmenting waits for it. */
const packsInLine = 2;

/** Publishes the packs of a shard one after another, beside the segmentation: its writes do not hold up inference. */
export class PackPublisher {
  readonly #options: PublishOptions;
  readonly #items: readonly ManifestLine[];
  readonly #onPublished: (items: number) => void;
  readonly #places = new Semaphore(packsInLine);
  #queue: Promise<void> = Promise.resolve();
  #error: unknown;

  /** @param items the images of the shard */
  constructor(options: PublishOptions, items: readonly ManifestLine[], onPublished: (items: number) => void) {
    this.#options = options;
    this.#items = items;
    this.#onPublished = onPublished;
  }

  /** Resolves when there is a place in the line, before the pack is published. @throws what an earlier one threw */
  async publish(pack: number, count: number): Promise<void> {
    await this.#places.acquire();
    if (this.#error !== undefined) throw this.#error;
    this.#queue = this.#queue.then(() => this.#publish(pack, count));
  }

  /** When all is published. @throws what publishing threw */
  async idle(): Promise<void> {
    await this.#queue;
    if (this.#error !== undefined) throw this.#error;
  }

  async #publish(pack: number, count: number): Promise<void> {
    try {
      if (this.#error !== undefined) return;
      await publishPack(this.#options, this.#items, pack);
      this.#onPublished(count);
    } catch (error) {
      this.#error ??= error;
    } finally {
      this.#places.release();
    }
  }
}
