import { createHash } from "node:crypto";

const empty = 0n;

/**
 * Which keys have been seen, by 64 bits of their SHA-256: a million keys take 16 MB instead of some hundred. Among 10 million
 * keys the chance that any two are taken for one is 3 in a million.
 */
export class KeySet {
  #slots = new BigUint64Array(1024);
  #count = 0;

  /** @returns false when the key was there */
  add(key: string): boolean {
    if ((this.#count + 1) * 2 > this.#slots.length) this.#grow();
    const added = put(this.#slots, hashOf(key));
    if (added) this.#count++;
    return added;
  }

  #grow(): void {
    const slots = new BigUint64Array(this.#slots.length * 2);
    for (const hash of this.#slots) if (hash !== empty) put(slots, hash);
    this.#slots = slots;
  }
}

function hashOf(key: string): bigint {
  const hash = createHash("sha256").update(key).digest().readBigUInt64LE(0);
  return hash === empty ? 1n : hash;
}

/** Open addressing: a key lies at its hash, or in the next free slot behind. The length is a power of two. */
function put(slots: BigUint64Array, hash: bigint): boolean {
  const mask = slots.length - 1;
  for (let at = Number(hash & 0xffff_ffffn) & mask; ; at = (at + 1) & mask) {
    if (slots[at] === hash) return false;
    if (slots[at] === empty) {
      slots[at] = hash;
      return true;
    }
  }
}
