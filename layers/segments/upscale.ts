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

/**
 * Labels in another size with smooth edges: each pixel takes the label that has most weight among the four pixels which
 * bilinear interpolation would mix for it (pixel centres as in `upscaleLabels`); of labels with equal weight the one that
 * comes first of upper left, upper right, lower left, lower right. Whole numbers only, one look at each pixel.
 *
 * A label of a pixel or two can vanish, also when enlarged.
 *
 * @param labels `from.width * from.height` values, row-major
 * @returns `to.width * to.height` values
 * @throws ClustsegError SEGMENT_MAP_INVALID (sizes)
 */
export function smoothLabels(labels: Uint16Array, from: Size, to: Size): Uint16Array {
  assertGrid(labels.length, from.width, from.height);
  assertGrid(to.width * to.height, to.width, to.height);
  const columns = mixes(from.width, to.width);
  const rows = mixes(from.height, to.height);
  const scaled = new Uint16Array(to.width * to.height);
  const { first: lefts, second: rights, weight: easts, whole } = columns;
  for (let y = 0, i = 0; y < to.height; y++) {
    const upper = rows.first[y]! * from.width;
    const lower = rows.second[y]! * from.width;
    const low = rows.weight[y]!;
    const high = rows.whole - low;
    for (let x = 0; x < to.width; x++, i++) {
      const left = lefts[x]!;
      const right = rights[x]!;
      const a = labels[upper + left]!;
      const b = labels[upper + right]!;
      const c = labels[lower + left]!;
      const d = labels[lower + right]!;
      if (a === b && a === c && a === d) {
        scaled[i] = a;
        continue;
      }
      const east = easts[x]!;
      const west = whole - east;
      const wb = east * high;
      const wc = west * low;
      const wd = east * low;
      // The weight of each corner's label; a label is counted where it is met first.
      let best = a;
      let most = west * high + (b === a ? wb : 0) + (c === a ? wc : 0) + (d === a ? wd : 0);
      const ofB = wb + (c === b ? wc : 0) + (d === b ? wd : 0);
      if (b !== a && ofB > most) {
        best = b;
        most = ofB;
      }
      const ofC = wc + (d === c ? wd : 0);
      if (c !== a && c !== b && ofC > most) {
        best = c;
        most = ofC;
      }
      if (d !== a && d !== b && d !== c && wd > most) best = d;
      scaled[i] = best;
    }
  }
  return scaled;
}

/** For each place of the new axis the two of the old one that it lies between, and the second's weight out of `whole`. */
function mixes(from: number, to: number) {
  const first = new Int32Array(to);
  const second = new Int32Array(to);
  const weight = new Float64Array(to);
  const whole = 2 * to;
  for (let i = 0; i < to; i++) {
    // The centre of place i is at (2i + 1) * from / (2 to) - 1/2 of the old axis: here in parts of 1 / (2 to).
    const at = (2 * i + 1) * from - to;
    const before = Math.floor(at / whole);
    first[i] = Math.max(before, 0);
    second[i] = Math.min(before + 1, from - 1);
    weight[i] = at - before * whole;
  }
  return { first, second, weight, whole };
}

function nearest(from: number, to: number): Uint32Array {
  const source = new Uint32Array(to);
  for (let i = 0; i < to; i++) source[i] = Math.floor(((2 * i + 1) * from) / (2 * to));
  return source;
}
