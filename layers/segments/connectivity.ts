import { ClustsegError } from "./errors.js";

/** Id of each pixel and the number of them; see connectLabels. */
export interface ConnectedIds {
  /** Id of each pixel: 0 = none, 1..segments in raster order of each segment's first pixel. */
  readonly ids: Uint16Array;
  readonly segments: number;
}

/**
 * Maximal stretches of equal label in a row, in raster order. A row of superpixels has some twenty pixels a run, so
 * all but the first and the last pass over the picture touch runs and not pixels.
 */
interface Runs {
  readonly count: number;
  /** First pixel of each run; entry `count` is the number of pixels. */
  readonly starts: Int32Array;
  /** First run of each row; entry `height` is `count`. */
  readonly rows: Int32Array;
}

interface Components {
  /** Component of each run: 0 = none, 1..count in raster order of first pixels. */
  readonly of: Int32Array;
  readonly count: number;
  /** Pixels of each component; index 0 counts the pixels of none. */
  readonly areas: Int32Array;
}

export function connectLabels(
  labels: Uint16Array,
  width: number,
  height: number,
  minArea: number,
  none: number,
  maxSegments: number,
): ConnectedIds {
  const runs = findRuns(labels, width, height);
  const components = labelComponents(labels, runs, width, height, none);
  const groups = mergeOrphans(components, runs, width, height, minArea);
  // A group's root is its lowest component, whose first pixel is the group's first pixel: raster order for free.
  const idOf = new Uint16Array(components.count + 1);
  let segments = 0;
  for (let component = 1; component <= components.count; component++) {
    const root = findRoot(groups, component);
    if (root === component) segments++;
    if (segments > maxSegments) throw tooManySegments(maxSegments, width, height);
    idOf[component] = root === component ? segments : idOf[root]!;
  }
  const ids = new Uint16Array(labels.length);
  const { starts, count } = runs;
  for (let run = 0, i = 0; run < count; run++) {
    const id = idOf[components.of[run]!]!;
    for (const end = starts[run + 1]!; i < end; i++) ids[i] = id;
  }
  return { ids, segments };
}

function findRuns(labels: Uint16Array, width: number, height: number): Runs {
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

/** Runs of one label that overlap in neighbouring rows are united; roots are always the lowest number. */
function labelComponents(labels: Uint16Array, runs: Runs, width: number, height: number, none: number): Components {
  const { count: runCount, starts, rows } = runs;
  const parent = new Int32Array(runCount);
  for (let run = 0; run < runCount; run++) parent[run] = run;
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

/** Union-find over components (parent array, roots are the lowest number) after each orphan has joined a neighbour. */
function mergeOrphans(components: Components, runs: Runs, width: number, height: number, minArea: number): Int32Array {
  const { of, count, areas } = components;
  const groups = new Int32Array(count + 1);
  for (let component = 0; component <= count; component++) groups[component] = component;
  const orphans = orphansByArea(areas, count, minArea);
  if (orphans.length === 0) return groups;

  const { members, ends } = orphanRuns(components, runs.count, orphans);
  const { starts, rows } = runs;
  const border = new Int32Array(count + 1); // per root; all zero between orphans
  const touched = new Int32Array(count + 1);
  let begin = 0;
  for (let o = 0; o < orphans.length; o++) {
    const orphan = orphans[o]!;
    const own = findRoot(groups, orphan);
    let groupsTouched = 0;
    const touch = (neighbour: number, length: number): void => {
      if (neighbour === orphan || neighbour === 0) return;
      const root = findRoot(groups, neighbour);
      if (root === own) return;
      if (border[root] === 0) touched[groupsTouched++] = root;
      border[root] = border[root]! + length;
    };
    const touchRow = (y: number, start: number, end: number): void => {
      for (let other = runAt(starts, rows[y]!, rows[y + 1]!, start); starts[other]! < end; other++) {
        touch(of[other]!, Math.min(end, starts[other + 1]!) - Math.max(start, starts[other]!));
      }
    };
    for (let member = begin; member < ends[orphan]!; member++) {
      const run = members[member]!;
      const start = starts[run]!;
      const end = starts[run + 1]!;
      const y = Math.floor(start / width);
      if (run > rows[y]!) touch(of[run - 1]!, 1);
      if (run + 1 < rows[y + 1]!) touch(of[run + 1]!, 1);
      if (y > 0) touchRow(y - 1, start - width, end - width);
      if (y < height - 1) touchRow(y + 1, start + width, end + width);
    }
    begin = ends[orphan]!;
    let best = 0;
    let longest = 0;
    for (let t = 0; t < groupsTouched; t++) {
      const root = touched[t]!;
      const length = border[root]!;
      border[root] = 0;
      if (length > longest || (length === longest && root < best)) {
        best = root;
        longest = length;
      }
    }
    if (best > 0) unite(groups, own, best);
  }
  return groups;
}

/** The run among `first`..`last` (exclusive) that holds pixel `pixel`. */
function runAt(starts: Int32Array, first: number, last: number, pixel: number): number {
  let low = first;
  let high = last - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= pixel) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Components smaller than `minArea`, by (area, number): a counting sort, which is stable. */
function orphansByArea(areas: Int32Array, count: number, minArea: number): Int32Array {
  let orphanCount = 0;
  let largest = 0;
  for (let component = 1; component <= count; component++) {
    const area = areas[component]!;
    if (area >= minArea) continue;
    orphanCount++;
    if (area > largest) largest = area;
  }
  const next = new Int32Array(largest + 2);
  for (let component = 1; component <= count; component++) {
    const area = areas[component]!;
    if (area < minArea) next[area + 1] = next[area + 1]! + 1;
  }
  for (let area = 1; area <= largest; area++) next[area] = next[area]! + next[area - 1]!;
  const sorted = new Int32Array(orphanCount);
  for (let component = 1; component <= count; component++) {
    const area = areas[component]!;
    if (area >= minArea) continue;
    const place = next[area]!;
    sorted[place] = component;
    next[area] = place + 1;
  }
  return sorted;
}

/** The runs of all orphans, orphan after orphan in their order; those of `o` end before `ends[o]`. */
function orphanRuns(
  components: Components,
  runCount: number,
  orphans: Int32Array,
): { members: Int32Array; ends: Int32Array } {
  const { of, count } = components;
  const ends = new Int32Array(count + 1).fill(-1); // -1 = not an orphan
  for (let o = 0; o < orphans.length; o++) ends[orphans[o]!] = 0;
  for (let run = 0; run < runCount; run++) {
    const component = of[run]!;
    if (ends[component]! >= 0) ends[component] = ends[component]! + 1;
  }
  let total = 0;
  for (let o = 0; o < orphans.length; o++) {
    const length = ends[orphans[o]!]!;
    ends[orphans[o]!] = total;
    total += length;
  }
  const members = new Int32Array(total);
  for (let run = 0; run < runCount; run++) {
    const component = of[run]!;
    const end = ends[component]!;
    if (end < 0) continue;
    members[end] = run;
    ends[component] = end + 1;
  }
  return { members, ends };
}

function findRoot(parent: Int32Array, start: number): number {
  let node = start;
  let up = parent[node]!;
  while (up !== node) {
    const above = parent[up]!;
    parent[node] = above;
    node = above;
    up = parent[node]!;
  }
  return node;
}

function unite(parent: Int32Array, a: number, b: number): void {
  const rootA = findRoot(parent, a);
  const rootB = findRoot(parent, b);
  const low = Math.min(rootA, rootB);
  parent[rootA] = low;
  parent[rootB] = low;
}

function enlarged(array: Int32Array<ArrayBuffer>, atLeast: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2 + atLeast);
  larger.set(array);
  return larger;
}

function tooManySegments(limit: number, width: number, height: number): ClustsegError {
  return new ClustsegError("SEGMENT_LIMIT", `More than ${limit} segments in ${width} x ${height} pixels`, {
    hint: "Ask for fewer superpixels, or let smaller pieces be merged.",
  });
}
