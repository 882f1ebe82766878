import { compareKeys } from "../../layers/pipeline/keys.js";
import type { ObjectInfo } from "../../layers/pipeline/ports.js";

/** Finds keys in a listing when they are asked for in the order of keys, in flat memory. */
export class ListingCursor {
  readonly #listing: AsyncIterator<ObjectInfo>;
  #next: IteratorResult<ObjectInfo> | undefined;

  constructor(listing: AsyncIterable<ObjectInfo>) {
    this.#listing = listing[Symbol.asyncIterator]();
  }

  /** @param key not before any that was asked for earlier */
  async at(key: string): Promise<ObjectInfo | undefined> {
    this.#next ??= await this.#listing.next();
    while (!this.#next.done && compareKeys(this.#next.value.key, key) < 0) this.#next = await this.#listing.next();
    return !this.#next.done && this.#next.value.key === key ? this.#next.value : undefined;
  }
}
