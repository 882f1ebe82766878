import { type Components, type Runs, runAt } from "./components.js";
import { findRoot, ownGroups, unite } from "./union-find.js";

/** What became of components after each orphan has joined a neighbour. */
export interface Merged {
  /** Union-find over components: a root is its own parent and the lowest of its group. */
  readonly groups: Int32Array;
  /** By root: the component that took the others in, and that the group is like. */
  readonly heads: Int32Array;
}

export interface MergeOptions {
  /**
   * Is "none" (component 0) a neighbour like others, which takes in what shares the longest border with it? Otherwise borders
   * with it do not count.
   */
  readonly intoNone: boolean;
}

/**
 * Merges orphans into neighbours, in order of (area, number); areas are those before any merging. An orphan joins the group, as
 * groups are at that moment, with which its own component shares the longest border in 4-neighbour pixel pairs; ties go to
 * the group whose lowest component is the lower one. An orphan that has no neighbour but its own group is left.
 *
 * @param isOrphan by component, 1 = is to be merged
 */
export function mergeOrphans(
  components: Components,
  runs: Runs,
  width: number,
  height: number,
  isOrphan: Uint8Array,
  options: MergeOptions,
): Merged {
  const { of, count, areas } = components;
  const groups = ownGroups(count + 1);
  const heads = ownGroups(count + 1);
  const orphans = orphansByArea(areas, count, isOrphan);
  if (orphans.length === 0) return { groups, heads };

  const { members, ends } = orphanRuns(components, runs.count, orphans);
  const { starts, rows } = runs;
  const lowest = options.intoNone ? 0 : 1;
  const border = new Int32Array(count + 1); // per root; all zero between orphans
  const touched = new Int32Array(count + 1);
  let begin = 0;
  for (let o = 0; o < orphans.length; o++) {
    const orphan = orphans[o]!;
    const own = findRoot(groups, orphan);
    let groupsTouched = 0;
    const touch = (neighbour: number, length: number): void => {
      if (neighbour === orphan || neighbour < lowest) return;
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
    let best = -1;
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
    if (best < 0) continue;
    const head = heads[best]!;
    heads[unite(groups, own, best)] = head;
  }
  return { groups, heads };
}

/** Orphans by (area, number): a counting sort, which is stable. */
function orphansByArea(areas: Int32Array, count: number, isOrphan: Uint8Array): Int32Array {
  let orphanCount = 0;
  let largest = 0;
  for (let component = 1; component <= count; component++) {
    if (isOrphan[component] === 0) continue;
    const area = areas[component]!;
    orphanCount++;
    if (area > largest) largest = area;
  }
  const next = new Int32Array(largest + 2);
  for (let component = 1; component <= count; component++) {
    if (isOrphan[component] === 0) continue;
    const area = areas[component]!;
    next[area + 1] = next[area + 1]! + 1;
  }
  for (let area = 1; area <= largest; area++) next[area] = next[area]! + next[area - 1]!;
  const sorted = new Int32Array(orphanCount);
  for (let component = 1; component <= count; component++) {
    if (isOrphan[component] === 0) continue;
    const area = areas[component]!;
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
