import { ClustsegError } from "./errors.js";

export interface ConnectedIds {
  /** Id of each pixel: 0 = none, 1..segments in raster order of each segment's first pixel. */
  readonly ids: Uint16Array;
  readonly segments: number;
}

interface Components {
  /** Component of each pixel: 0 = none, 1..count in raster order of first pixels. */
  readonly of: Int32Array;
  readonly count: number;
  /** Pixels of each component; index 0 counts the pixels of none. */
  readonly areas: Int32Array;
}

/**
 * Enforces connectivity (4-neighbour), the last step of superpixels since SLIC (Achanta et al., 2012), made deterministic
 * so that another language can mirror it:
 *  1. Connected components of equal label, numbered in raster order of their first pixel; `none` forms no component.
 *  2. A component with fewer than `minArea` pixels is an orphan; every other one stays a segment of its own.
 *  3. Orphans, in order of (area, number), each join the neighbouring group with which the orphan's own pixels share the
 *     most 4-neighbour pixel pairs; ties go to the group whose lowest component number is smaller. Groups are those of
 *     that moment; an orphan with no other group beside it stays as it is.
 *  4. Ids 1..n in raster order of the groups' first pixels.
 * Time and memory are linear in the pixels.
 *
 * @param labels `width * height` labels, row-major
 * @throws ClustsegError SEGMENT_LIMIT when more than `maxSegments` are left
 */
export function connectLabels(
  labels: Uint16Array,
  width: number,
  height: number,
  minArea: number,
  none: number,
  maxSegments: number,
): ConnectedIds {
  const components = labelComponents(labels, width, height, none);
  const groups = mergeOrphans(components, width, height, minArea);
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
  for (let i = 0; i < ids.length; i++) ids[i] = idOf[components.of[i]!]!;
  return { ids, segments };
}

/** Two-pass labelling (Rosenfeld and Pfaltz, 1966) on a union-find whose roots are always the lowest number. */
function labelComponents(labels: Uint16Array, width: number, height: number, none: number): Components {
  const of = new Int32Array(labels.length);
  let parent = new Int32Array(4096);
  let provisional = 0;
  for (let y = 0, i = 0; y < height; y++) {
    let leftLabel = none;
    let left = 0;
    for (let x = 0; x < width; x++, i++) {
      const label = labels[i]!;
      if (label === none) {
        leftLabel = none;
        continue;
      }
      let own = label === leftLabel ? left : 0;
      if (y > 0 && labels[i - width] === label) {
        const above = of[i - width]!;
        if (own === 0) own = above;
        else if (own !== above) own = unite(parent, own, above);
      }
      if (own === 0) {
        own = ++provisional;
        if (own === parent.length) parent = doubled(parent);
        parent[own] = own;
      }
      of[i] = own;
      leftLabel = label;
      left = own;
    }
  }
  // Parents are lower than their children, so one ascending pass resolves all, and roots come in raster order.
  let count = 0;
  for (let p = 1; p <= provisional; p++) {
    const up = parent[p]!;
    parent[p] = up === p ? ++count : parent[up]!;
  }
  const areas = new Int32Array(count + 1);
  for (let i = 0; i < of.length; i++) {
    const component = parent[of[i]!]!;
    of[i] = component;
    areas[component] = areas[component]! + 1;
  }
  return { of, count, areas };
}

/** Union-find over components (parent array, roots are the lowest number) after each orphan has joined a neighbour. */
function mergeOrphans(components: Components, width: number, height: number, minArea: number): Int32Array {
  const { of, count, areas } = components;
  const groups = new Int32Array(count + 1);
  for (let component = 0; component <= count; component++) groups[component] = component;
  const orphans = orphansByArea(areas, count, minArea);
  if (orphans.length === 0) return groups;

  const { pixels, ends } = orphanPixels(components, orphans);
  const border = new Int32Array(count + 1); // per root; all zero between orphans
  const touched = new Int32Array(count + 1);
  for (let o = 0; o < orphans.length; o++) {
    const orphan = orphans[o]!;
    const own = findRoot(groups, orphan);
    const end = ends[orphan]!;
    let groupsTouched = 0;
    const touch = (neighbour: number) => {
      if (neighbour === orphan || neighbour === 0) return;
      const root = findRoot(groups, neighbour);
      if (root === own) return;
      if (border[root] === 0) touched[groupsTouched++] = root;
      border[root] = border[root]! + 1;
    };
    for (let p = end - areas[orphan]!; p < end; p++) {
      const i = pixels[p]!;
      const x = i % width;
      if (x > 0) touch(of[i - 1]!);
      if (x < width - 1) touch(of[i + 1]!);
      if (i >= width) touch(of[i - width]!);
      if (i < width * (height - 1)) touch(of[i + width]!);
    }
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

/** The pixels of all orphans, grouped: orphan `o` has `pixels[ends[o] - areas[o] .. ends[o]]`. */
function orphanPixels(components: Components, orphans: Int32Array): { pixels: Int32Array; ends: Int32Array } {
  const { of, count, areas } = components;
  const ends = new Int32Array(count + 1).fill(-1); // -1 = not an orphan
  let total = 0;
  for (let o = 0; o < orphans.length; o++) {
    ends[orphans[o]!] = total;
    total += areas[orphans[o]!]!;
  }
  const pixels = new Int32Array(total);
  for (let i = 0; i < of.length; i++) {
    const component = of[i]!;
    const end = ends[component]!;
    if (end < 0) continue;
    pixels[end] = i;
    ends[component] = end + 1;
  }
  return { pixels, ends };
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

function unite(parent: Int32Array, a: number, b: number): number {
  const rootA = findRoot(parent, a);
  const rootB = findRoot(parent, b);
  const low = Math.min(rootA, rootB);
  parent[rootA] = low;
  parent[rootB] = low;
  return low;
}

function doubled(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}

function tooManySegments(limit: number, width: number, height: number): ClustsegError {
  return new ClustsegError("SEGMENT_LIMIT", `More than ${limit} segments in ${width} x ${height} pixels`, {
    hint: "Ask for fewer superpixels, or let smaller pieces be merged.",
  });
}
