import type { Rectangle } from "../segments/stitch.js";
import type { Size } from "../segments/upscale.js";

/** `input.mask_tile` of model.json, in pixels. */
export interface MaskTilePolicy {
  /** The longest side of a tile. */
  readonly side: number;
  /** Common to neighbouring tiles. */
  readonly overlap: number;
  /** Tiles begin at multiples of so many pixels: the graph's coarsest stride. */
  readonly align: number;
}

/** One run of the graph on a part of a picture. */
export interface MaskTile {
  /** The pixels that the graph sees. */
  readonly area: Rectangle;
  /** The pixels whose labels are kept; seams lie in the middle of overlaps, and the cores of all tiles cover the picture once. */
  readonly core: Rectangle;
}

/**
 * Cuts a picture of more than side * side pixels into tiles that are as equal as `align` allows, row by row; a smaller one
 * stays whole, whatever its shape.
 */
export function planMaskTiles({ width, height }: Size, policy: MaskTilePolicy): MaskTile[] {
  if (width * height <= policy.side * policy.side) {
    const all = { x: 0, y: 0, width, height };
    return [{ area: all, core: all }];
  }
  const columns = spansOf(width, policy);
  return spansOf(height, policy).flatMap((v) =>
    columns.map((h) => ({
      area: { x: h.from, y: v.from, width: h.to - h.from, height: v.to - v.from },
      core: { x: h.coreFrom, y: v.coreFrom, width: h.coreTo - h.coreFrom, height: v.coreTo - v.coreFrom },
    })),
  );
}

/** One axis: where tiles and their cores begin and end. */
function spansOf(length: number, { side, overlap, align }: MaskTilePolicy) {
  if (length <= side) return [{ from: 0, to: length, coreFrom: 0, coreTo: length }];
  // A tile begins so many steps of `align` after the one before: the first tile's overlap aside, tiles share the length out.
  const steps = Math.ceil((length - overlap) / align);
  const count = Math.ceil(steps / Math.floor((side - overlap) / align));
  const begin = (tile: number): number => align * Math.floor((tile * steps) / count);
  const seam = (tile: number): number => begin(tile) + (overlap >> 1);
  return Array.from({ length: count }, (_, tile) => {
    const last = tile === count - 1;
    const to = last ? length : begin(tile + 1) + overlap;
    return { from: begin(tile), to, coreFrom: tile === 0 ? 0 : seam(tile), coreTo: last ? length : seam(tile + 1) };
  });
}
