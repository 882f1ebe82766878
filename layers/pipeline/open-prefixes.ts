/**
 * What in a listing in key order can still be begun with: keys with the same beginning stand together, so a stack tells whether
 * a beginning was seen before, however long the listing.
 */
export class OpenPrefixes {
  readonly #open: string[] = [];

  /** Comes to `key`: beginnings that it does not have will not come again. Call it for every key before the others. */
  passTo(key: string): void {
    for (let last = this.#open.at(-1); last !== undefined && !key.startsWith(last); last = this.#open.at(-1)) {
      this.#open.pop();
    }
  }

  /** @returns false if it was open already */
  open(prefix: string): boolean {
    if (this.#open.includes(prefix)) return false;
    this.#open.push(prefix);
    return true;
  }

  isOpen(prefix: string): boolean {
    return this.#open.includes(prefix);
  }
}
