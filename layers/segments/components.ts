import { ownGroups, unite } from "./union-find.js";

/**
 * Maximal stretches of equal label in a row, in raster order. A row of superpixels has some twenty pixels a run, so
 * all but the first and the last pass over the picture touch runs and not pixels.
 */
export interface Runs {
  readonly count: number;
  /** First pixel of each run; entry `count` is the number of pixels. */
  readonly starts: Int32Array;
  /** First run of each row; entry `height` is `count`. */
  readonly rows: Int32Array;
}

/** The 4-connected pieces of equal label. */
export interface Components {
  /** Component of each run: 0 = none, 1..count in raster order of first pixels. */
  readonly of: Int32Array;
  readonly count: number;
  /** Pixels of each component; index 0 counts the pixels of none. */
  readonly areas: Int32Array;
}

export function findRuns(labels: Uint16Array, width: number, height: number): Runs {
  const rows = new Int32Array(height + 1);
  let starts = new Int32Array(Math.max(4096, (labels.length >> 3) + width + 1));
  let count = 0;
  for (let y = 0, i = 0; y < height; y++) {
    rows[y] = count;
    // Room for a row in which every pixel is a run, so that the loop need not look.
    if (count + width >= starts.length) starts = enlarged(starts, width);
    starts[count++] = i;
    let label = labels[i]!;
    i++;
    for (const end = (y + 1) * width; i < end; i++) {
      const next = labels[i]!;
      if (next === label) continue;
      label = next;
      starts[count++] = i;
    }
  }
  rows[height] = count;
  starts[count] = labels.length;
  return { count, starts, rows };
}

/**
 * Runs of one label that overlap in neighbouring rows are united; roots are always the lowest number.
 * @param none the label of pixels that belong to no component
 */
export function labelComponents(
  labels: Uint16Array,
  runs: Runs,
  width: number,
  height: number,
  none: number,
): Components {
  const { count: runCount, starts, rows } = runs;
  const parent = ownGroups(runCount);
  for (let y = 1; y < height; y++) {
    let above = rows[y - 1]!;
    for (let run = rows[y]!; run < rows[y + 1]!; run++) {
      const start = starts[run]! - width;
      const end = starts[run + 1]! - width;
      const label = labels[starts[run]!]!;
      while (starts[above + 1]! <= start) above++;
      for (let other = above; starts[other]! < end; other++) {
        if (label !== none && labels[starts[other]!] === label) unite(parent, run, other);
      }
    }
  }
  // Parents are lower than their children, so one ascending pass resolves all, and roots come in raster order.
  const of = parent;
  const areas = new Int32Array(runCount + 1);
  let count = 0;
  for (let run = 0; run < runCount; run++) {
    const up = parent[run]!;
    const component = labels[starts[run]!] === none ? 0 : up === run ? ++count : of[up]!;
    of[run] = component;
    areas[component] = areas[component]! + starts[run + 1]! - starts[run]!;
  }
  return { of, count, areas: areas.subarray(0, count + 1) };
}

/** The run among `first`..`last` (exclusive) that holds pixel `pixel`. */
export function runAt(starts: Int32Array, first: number, last: number, pixel: number): number {
  let low = first;
  let high = last - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= pixel) low = middle;
    else high = middle - 1;
  }
  return low;
}

function enlarged(array: Int32Array<ArrayBuffer>, atLeast: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2 + atLeast);
  larger.set(array);
  return larger;
}
