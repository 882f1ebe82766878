import type { SegmentMap } from "./segment-map.js";

/**
 * Marks boundary pixels: those whose right or lower neighbour has another id (0, "no segment", counts as an id).
 *
 * @returns one byte per pixel, row-major: 1 = boundary, 0 = not
 */
export function boundaryMask(map: SegmentMap): Uint8Array {
  const { width, height, ids } = map;
  const mask = new Uint8Array(ids.length);
  for (let y = 0, i = 0; y < height; y++) {
    const lastRow = y === height - 1;
    for (let x = 0; x < width; x++, i++) {
      const id = ids[i];
      if ((x < width - 1 && ids[i + 1] !== id) || (!lastRow && ids[i + width] !== id)) mask[i] = 1;
    }
  }
  return mask;
}

/**
 * Widens the marks of `mask` to lines `thickness` pixels wide, centred on the marks (the odd pixel goes right and down, where
 * the neighbouring segment is). Time does not depend on the thickness.
 */
export function thickenMask(mask: Uint8Array, width: number, height: number, thickness: number): Uint8Array {
  const after = Math.floor(thickness / 2);
  const before = thickness - 1 - after;
  if (before <= 0 && after <= 0) return mask;

  // A place is covered when the latest mark at or before `place + before` is not further back than `place - after`.
  const wide = new Uint8Array(mask.length);
  for (let y = 0; y < height; y++) {
    const row = y * width;
    let last = -thickness;
    for (let x = -before, ahead = 0; x < width; x++, ahead++) {
      if (ahead < width && mask[row + ahead] === 1) last = ahead;
      if (x >= 0 && last >= x - after) wide[row + x] = 1;
    }
  }
  const thick = new Uint8Array(mask.length);
  const lastInColumn = new Int32Array(width).fill(-thickness);
  for (let y = -before, ahead = 0; y < height; y++, ahead++) {
    for (let x = 0; x < width; x++) {
      if (ahead < height && wide[ahead * width + x] === 1) lastInColumn[x] = ahead;
      if (y >= 0 && lastInColumn[x]! >= y - after) thick[y * width + x] = 1;
    }
  }
  return thick;
}
