import { connectLabels } from "./connectivity.js";
import { ClustsegError } from "./errors.js";

/** One segment id per pixel, row-major. 0 = no segment, ids run 1..segments without gaps. */
export interface SegmentMap {
  readonly width: number;
  readonly height: number;
  readonly segments: number;
  /** `width * height` ids. */
  readonly ids: Uint16Array;
}

/** The label by which a graph says that a pixel belongs to no cluster. */
export const NO_LABEL = 65_535;
/** The most segments one map can hold: what 16 bits leave beside the 0 of "no segment". */
export const MAX_SEGMENTS = 65_535;

export interface FromLabelsOptions {
  /** Connected pieces with fewer pixels than this are merged into a neighbour; 0 or 1 keeps every piece. */
  readonly minArea: number;
}

/**
 * Turns a graph's raw labels into segments that are 4-connected, not smaller than `minArea` where a neighbour can take them
 * in, and numbered 1..n in raster order.
 *
 * @param labels `width * height` labels, row-major; any values, `NO_LABEL` = none
 * @throws ClustsegError SEGMENT_MAP_INVALID (sizes), PARAMETER_INVALID (minArea), SEGMENT_LIMIT (> 65,535 segments)
 */
export function segmentMapFromLabels(
  labels: Uint16Array,
  width: number,
  height: number,
  options: FromLabelsOptions,
): SegmentMap {
  assertGrid(labels.length, width, height);
  const { minArea } = options;
  if (!Number.isFinite(minArea) || minArea < 0) {
    throw new ClustsegError(
      "PARAMETER_INVALID",
      `Expected a number of pixels >= 0 for minArea but received ${minArea}`,
      {
        hint: "Give a smallest area in pixels, for example 0 to keep every piece.",
      },
    );
  }
  const { ids, segments } = connectLabels(labels, width, height, minArea, NO_LABEL, MAX_SEGMENTS);
  return { width, height, segments, ids };
}

/**
 * Wraps ids that came from elsewhere (a decoded segments.png), after checking that they run 1..n without gaps.
 *
 * @throws ClustsegError SEGMENT_MAP_INVALID
 */
export function segmentMapFromIds(ids: Uint16Array, width: number, height: number): SegmentMap {
  assertGrid(ids.length, width, height);
  const seen = new Uint8Array(MAX_SEGMENTS + 1);
  let segments = 0;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    seen[id] = 1;
    if (id > segments) segments = id;
  }
  for (let id = 1; id <= segments; id++) {
    if (seen[id] === 0) {
      throw new ClustsegError("SEGMENT_MAP_INVALID", `Segment ids run to ${segments} but no pixel has id ${id}`, {
        hint: "Segment ids must run 1..n without gaps; make the result again.",
      });
    }
  }
  return { width, height, segments, ids };
}

/**
 * Checks that RGB pixels belong to the map: three bytes for each of its pixels.
 *
 * @throws ClustsegError SEGMENT_MAP_INVALID
 */
export function assertSameFrame(map: SegmentMap, rgb: Uint8Array): void {
  const wanted = map.width * map.height * 3;
  if (rgb.length !== wanted) {
    throw new ClustsegError(
      "SEGMENT_MAP_INVALID",
      `Expected ${wanted} RGB bytes for ${map.width} x ${map.height} pixels but received ${rgb.length}`,
      { hint: "Pass the upright image that the segment map was made from, as interleaved RGB." },
    );
  }
}

/**
 * Checks that `length` values fill a grid of at least one pixel.
 *
 * @throws ClustsegError SEGMENT_MAP_INVALID
 */
export function assertGrid(length: number, width: number, height: number): void {
  if (Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0 && length === width * height)
    return;
  throw new ClustsegError(
    "SEGMENT_MAP_INVALID",
    `Expected one value for each pixel of ${width} x ${height} but received ${length} values`,
    { hint: "Pass whole, positive sizes, and width * height values in row-major order." },
  );
}
