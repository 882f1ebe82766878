import { ClustsegError } from "./errors.js";
import { assertGrid, type SegmentMap } from "./segment-map.js";

/** Width and height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * Nearest-neighbour upscaling of labels or ids: the pixel centre `x + 1/2` of the new frame falls into column
 * `floor((2x + 1) * from.width / (2 * to.width))` of the old one; rows likewise. Whole numbers only, so every machine gets
 * the same pixels, and no label of the old frame is lost.
 *
 * @param labels `from.width * from.height` values, row-major
 * @returns `to.width * to.height` values
 * @throws ClustsegError SEGMENT_MAP_INVALID (sizes), PARAMETER_INVALID (the new frame is smaller)
 */
export function upscaleLabels(labels: Uint16Array, from: Size, to: Size): Uint16Array {
  assertGrid(labels.length, from.width, from.height);
  const larger = Number.isInteger(to.width) && Number.isInteger(to.height);
  if (!larger || to.width < from.width || to.height < from.height) {
    throw new ClustsegError(
      "PARAMETER_INVALID",
      `Expected a frame not smaller than ${from.width} x ${from.height} but received ${to.width} x ${to.height}`,
      { hint: "Labels can only be enlarged: shrinking would lose segments." },
    );
  }
  const columns = nearest(from.width, to.width);
  const rows = nearest(from.height, to.height);
  const scaled = new Uint16Array(to.width * to.height);
  for (let y = 0; y < to.height; y++) {
    const target = y * to.width;
    if (y > 0 && rows[y] === rows[y - 1]) {
      scaled.copyWithin(target, target - to.width, target);
      continue;
    }
    const source = rows[y]! * from.width;
    for (let x = 0; x < to.width; x++) scaled[target + x] = labels[source + columns[x]!]!;
  }
  return scaled;
}

/** `upscaleLabels` for a whole segment map; the ids stay as they are. Throws as it does. */
export function upscaleSegmentMap(map: SegmentMap, to: Size): SegmentMap {
  return { width: to.width, height: to.height, segments: map.segments, ids: upscaleLabels(map.ids, map, to) };
}

function nearest(from: number, to: number): Uint32Array {
  const source = new Uint32Array(to);
  for (let i = 0; i < to; i++) source[i] = Math.floor(((2 * i + 1) * from) / (2 * to));
  return source;
}
