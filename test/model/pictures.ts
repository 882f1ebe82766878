import { fileURLToPath } from "node:url";
import type { DecodedImage } from "../../layers/model/decoded-image.js";
import { sharp } from "../../layers/model/libvips.js";

/** The bundle of test/model/fixtures: the shipped bundle's inputs and outputs in 11 KB, untrained. */
export const tinyBundle = fileURLToPath(new URL("./fixtures/tiny-superpixel", import.meta.url));

/** A seeded generator of numbers in [0, 1) (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Interleaved RGB with soft gradients, hard-edged discs and a little noise: something for superpixels to follow. */
export function scene(width: number, height: number, seed = 1): Uint8Array {
  const random = seeded(seed);
  const discs = Array.from({ length: 40 }, () => ({
    x: random() * width,
    y: random() * height,
    r: (0.03 + 0.1 * random()) * Math.max(width, height),
    color: [random() * 255, random() * 255, random() * 255] as const,
  }));
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const disc = discs.find((d) => (x - d.x) ** 2 + (y - d.y) ** 2 < d.r ** 2);
      const color = disc?.color ?? [(x / width) * 200, (y / height) * 200, 120 + 60 * Math.sin(x / 30)];
      for (const channel of color) rgb[i++] = Math.min(255, Math.max(0, channel + 12 * (random() - 0.5)));
    }
  }
  return rgb;
}

export function decoded(data: Uint8Array, width: number, height: number): DecodedImage {
  const frame = {
    width,
    height,
    orientation: 1,
    format: "png",
    space: "srgb",
    depth: "uchar",
    pages: 1,
    alpha: false,
    notes: [],
  };
  return { width, height, data, frame };
}

/** A sharp pipeline over raw RGB, to be written as any format. */
export function picture(rgb: Uint8Array, width: number, height: number): ReturnType<typeof sharp> {
  return sharp(rgb, { raw: { width, height, channels: 3 } });
}

export function largestDifference(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}

/** Equality of large arrays, which `toEqual` would compare element by element. */
export function sameBytes(a: Uint8Array | Uint16Array, b: Uint8Array | Uint16Array): boolean {
  const bytes = (array: typeof a) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  return bytes(a).equals(bytes(b));
}
