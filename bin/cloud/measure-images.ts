import { sharp } from "../../layers/model/libvips.js";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import { mapBounded } from "../../layers/pipeline/semaphore.js";

/** Sizes of some images of a source. */
export interface MeasuredImages {
  /** How many were looked at, and could be read. */
  readonly looked: number;
  /** Mean of one, and the standard error of that mean. */
  readonly megapixels: number;
  readonly error: number;
}

const headBytes = 256 * 1024;
/** TIFF and AVIF may tell their size at their end. */
const wholeBytes = 32 * 1024 ** 2;

/** Every value of a stream has the same chance to be among the `size` that are kept; the same stream gives the same sample. */
export class Sample<T> {
  readonly kept: T[] = [];
  readonly #size: number;
  #seen = 0;
  #state = 0x9e3779b9;

  constructor(size: number) {
    this.#size = size;
  }

  add(value: T): void {
    this.#seen++;
    if (this.kept.length < this.#size) {
      this.kept.push(value);
      return;
    }
    const place = Math.floor(this.#random() * this.#seen);
    if (place < this.#size) this.kept[place] = value;
  }

  /** Mulberry32. */
  #random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
}

/** Pixels of images, from their headers. What cannot be read is left out. */
export async function measureImages(store: ObjectStore, keys: readonly string[]): Promise<MeasuredImages> {
  const sizes = (await mapBounded(keys, 16, (key) => megapixelsOf(store, key))).filter((size) => size !== undefined);
  const looked = sizes.length;
  if (looked === 0) return { looked, megapixels: 0, error: 0 };
  const megapixels = sizes.reduce((a, b) => a + b, 0) / looked;
  const variance = sizes.reduce((a, b) => a + (b - megapixels) ** 2, 0) / Math.max(looked - 1, 1);
  return { looked, megapixels, error: Math.sqrt(variance / looked) };
}

async function megapixelsOf(store: ObjectStore, key: string): Promise<number | undefined> {
  try {
    const { body, info } = await store.get(key, { range: { start: 0, end: headBytes } });
    const first = await sizeOf(body).catch(() => undefined);
    if (first !== undefined || info.size <= body.length || info.size > wholeBytes) return first;
    return await sizeOf((await store.get(key, { maxBytes: wholeBytes })).body);
  } catch {
    return undefined;
  }
}

async function sizeOf(bytes: Uint8Array): Promise<number> {
  const { width, height, pageHeight } = await sharp(bytes, { limitInputPixels: false }).metadata();
  return (width * (pageHeight ?? height)) / 1e6;
}
