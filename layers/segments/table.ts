import { ClustsegError } from "./errors.js";
import { assertSameFrame, type SegmentMap } from "./segment-map.js";

/** What a segment is said to be, in the tasks that have classes. */
export interface SegmentClass {
  readonly categoryId: number;
  /** Is its class one of things, which can be counted? */
  readonly isThing: boolean;
  /** Calibrated probability, 0..1, that the segment is what it is said to be. */
  readonly score: number;
}

/** What is known of one segment: from the map and the image, and, where the task has classes, from the model. */
export interface SegmentRow extends Partial<SegmentClass> {
  readonly id: number;
  /** Pixels. */
  readonly area: number;
  /** x and y of the top left pixel, then width and height, in pixels (COCO's order). */
  readonly bbox: readonly [x: number, y: number, width: number, height: number];
  /** Mean x and y of the segment's pixels to 1/100 pixel; the centre of the top left pixel is (0, 0). */
  readonly centroid: readonly [x: number, y: number];
  /** Mean red, green, blue, rounded to 0..255. */
  readonly color: readonly [red: number, green: number, blue: number];
}

/**
 * The statistics of each segment, in order of id: row `i` is segment `i + 1`. One pass over the pixels.
 *
 * @param rgb interleaved RGB of the map's frame
 * @throws ClustsegError SEGMENT_MAP_INVALID when `rgb` has another size
 */
export function segmentTable(map: SegmentMap, rgb: Uint8Array): SegmentRow[] {
  assertSameFrame(map, rgb);
  const { width, height, ids, segments } = map;
  const size = segments + 1;
  const areas = new Int32Array(size);
  const lefts = new Int32Array(size).fill(width);
  const rights = new Int32Array(size);
  const tops = new Int32Array(size).fill(height);
  const bottoms = new Int32Array(size);
  // Sums of coordinates and colours pass 2^32 in a large image; as float64 they stay exact up to 2^53.
  const sumsX = new Float64Array(size);
  const sumsY = new Float64Array(size);
  const reds = new Float64Array(size);
  const greens = new Float64Array(size);
  const blues = new Float64Array(size);

  for (let y = 0, i = 0; y < height; y++) {
    const rowEnd = i + width;
    const row = i;
    // Run by run: neighbours in a row mostly share their segment, so the tables are touched once a run.
    while (i < rowEnd) {
      const id = ids[i]!;
      const start = i;
      let red = 0;
      let green = 0;
      let blue = 0;
      do {
        red += rgb[i * 3]!;
        green += rgb[i * 3 + 1]!;
        blue += rgb[i * 3 + 2]!;
        i++;
      } while (i < rowEnd && ids[i] === id);
      const length = i - start;
      const left = start - row;
      const right = left + length - 1;
      areas[id] = areas[id]! + length;
      sumsX[id] = sumsX[id]! + ((left + right) * length) / 2;
      sumsY[id] = sumsY[id]! + y * length;
      reds[id] = reds[id]! + red;
      greens[id] = greens[id]! + green;
      blues[id] = blues[id]! + blue;
      if (left < lefts[id]!) lefts[id] = left;
      if (right > rights[id]!) rights[id] = right;
      if (y < tops[id]!) tops[id] = y;
      bottoms[id] = y;
    }
  }

  const rows: SegmentRow[] = [];
  for (let id = 1; id <= segments; id++) {
    const area = areas[id]!;
    const x = lefts[id]!;
    const y = tops[id]!;
    rows.push({
      id,
      area,
      bbox: [x, y, rights[id]! - x + 1, bottoms[id]! - y + 1],
      centroid: [hundredths(sumsX[id]! / area), hundredths(sumsY[id]! / area)],
      color: [Math.round(reds[id]! / area), Math.round(greens[id]! / area), Math.round(blues[id]! / area)],
    });
  }
  return rows;
}

/**
 * `segmentTable` with what each segment is said to be.
 *
 * @param classes one for each segment, in order of id; none for superpixels
 * @throws ClustsegError SEGMENT_MAP_INVALID when there are more or fewer of them than segments
 */
export function classifiedTable(
  map: SegmentMap,
  rgb: Uint8Array,
  classes: readonly SegmentClass[] | undefined,
): SegmentRow[] {
  const rows = segmentTable(map, rgb);
  if (classes === undefined) return rows;
  if (classes.length !== rows.length) {
    throw new ClustsegError("SEGMENT_MAP_INVALID", `${classes.length} classes for ${rows.length} segments`, {
      hint: "Pass the classes that came with this segment map.",
    });
  }
  return rows.map((row, i) => ({ ...row, ...classes[i]! }));
}

/**
 * Checks that a table has a row for each segment of the map.
 *
 * @throws ClustsegError SEGMENT_MAP_INVALID
 */
export function assertTableOf(map: SegmentMap, rows: readonly SegmentRow[]): void {
  if (rows.length === map.segments) return;
  throw new ClustsegError("SEGMENT_MAP_INVALID", `Expected ${map.segments} segment rows but received ${rows.length}`, {
    hint: "Pass the table that was made from this segment map.",
  });
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}
