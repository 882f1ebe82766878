import type { Labels } from "./labels.js";

/** Where a word on a segment is written. */
export interface Anchors {
  /** Index of the pixel, by id. */
  readonly at: Uint32Array<ArrayBuffer>;
  /** Pixels from there to the nearest border of the segment, about; 0 for an id that is nowhere. */
  readonly radius: Float32Array<ArrayBuffer>;
}

/**
 * Of each segment the pixel that is deepest inside: a centroid can lie outside of what it is the centroid of. By the chamfer
 * distance with weights 3 and 4 (Borgefors, 1986), two passes over the picture; the rim of the picture is a border.
 */
export function findAnchors({ width, height, ids }: Labels, largest: number): Anchors {
  const depth = new Uint16Array(ids.length);
  const most = 65_000;
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (x === 0 || y === 0 || x === width - 1 || y === height - 1) {
        depth[i] = 3;
        continue;
      }
      const id = ids[i];
      let least = most;
      least = Math.min(least, ids[i - 1] === id ? depth[i - 1]! + 3 : 3);
      least = Math.min(least, ids[i - width] === id ? depth[i - width]! + 3 : 3);
      least = Math.min(least, ids[i - width - 1] === id ? depth[i - width - 1]! + 4 : 4);
      least = Math.min(least, ids[i - width + 1] === id ? depth[i - width + 1]! + 4 : 4);
      depth[i] = least;
    }
  }
  const at = new Uint32Array(largest + 1);
  const deepest = new Uint16Array(largest + 1);
  for (let y = height - 1, i = ids.length - 1; y >= 0; y--) {
    for (let x = width - 1; x >= 0; x--, i--) {
      const id = ids[i]!;
      if (x > 0 && y > 0 && x < width - 1 && y < height - 1) {
        let least = depth[i]!;
        least = Math.min(least, ids[i + 1] === id ? depth[i + 1]! + 3 : 3);
        least = Math.min(least, ids[i + width] === id ? depth[i + width]! + 3 : 3);
        least = Math.min(least, ids[i + width + 1] === id ? depth[i + width + 1]! + 4 : 4);
        least = Math.min(least, ids[i + width - 1] === id ? depth[i + width - 1]! + 4 : 4);
        depth[i] = least;
      }
      if (depth[i]! >= deepest[id]!) {
        deepest[id] = depth[i]!;
        at[id] = i;
      }
    }
  }
  return { at, radius: Float32Array.from(deepest, (value) => value / 3) };
}
