import type { SegmentMap } from "./segment-map.js";

/** Entries of a palette: what one byte a pixel can name. */
export const PALETTE_SIZE = 256;

/**
 * The colours of PASCAL VOC's class masks (VOCcolormap.m of its development kit): bits 0, 1, 2 of the index are the highest
 * bits of red, green, blue, bits 3, 4, 5 the second highest, and so on. 0 is black, 1 is (128, 0, 0), 2 is (0, 128, 0).
 *
 * @returns red, green, blue of each of the 256 entries
 */
export function vocColors(): Uint8Array {
  const colors = new Uint8Array(PALETTE_SIZE * 3);
  for (let index = 0; index < PALETTE_SIZE; index++) {
    for (let bit = 0; bit < 8; bit++) {
      const channel = index * 3 + (bit % 3);
      colors[channel] = colors[channel]! | (((index >> bit) & 1) << (7 - Math.floor(bit / 3)));
    }
  }
  return colors;
}

/**
 * The palette entry that each pixel is drawn in: 0 for no segment, else (id - 1) modulo 255 + 1. Up to 255 segments that is the
 * id itself; above, segments share entries, so this is a drawing, and the ids are those of segments.png.
 */
export function paletteIndices({ segments, ids }: SegmentMap): Uint8Array {
  const entries = new Uint8Array(segments + 1);
  for (let id = 1; id <= segments; id++) entries[id] = ((id - 1) % (PALETTE_SIZE - 1)) + 1;
  const indices = new Uint8Array(ids.length);
  for (let i = 0; i < ids.length; i++) indices[i] = entries[ids[i]!]!;
  return indices;
}
