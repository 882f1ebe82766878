import { areasOf, type Labels } from "../draw/labels.js";
import type { GreyImage } from "./png.js";
import { isNumber, isRecord } from "./read.js";

/** The E-steps of one image: which cluster won each pixel, at a reduced size. */
export interface Steps {
  /** Clusters are ids 1..K here, index + 1; 0 = no cluster. */
  readonly frames: readonly Labels[];
  readonly clusters: number;
  /** Where each cluster began, in parts of the frame; undefined for class centres, which have no place. */
  readonly seeds: readonly (Point | undefined)[];
  readonly categories: readonly (number | undefined)[];
  /** The part of pixels that changed their cluster at each step; of the first: all that have one. */
  readonly changed: readonly number[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** In steps.png: no cluster. */
const NONE = 65_535;

/**
 * @param document the parsed steps.json
 * @param image steps.png: the frames, one below the other
 * @throws Error when the two do not belong together
 */
export function readSteps(document: unknown, image: GreyImage): Steps {
  if (!isRecord(document) || document["schema"] !== "clustseg.steps/1")
    throw new Error("steps.json is of another kind.");
  const { width, height, steps, seeds, clusters } = document;
  if (!isNumber(width) || !isNumber(height) || !isNumber(steps) || image.width !== width) throw mismatch();
  if (image.height !== height * steps || !Array.isArray(seeds) || !Array.isArray(clusters)) throw mismatch();
  const frames: Labels[] = [];
  for (let step = 0; step < steps; step++) {
    const ids = image.values.slice(step * width * height, (step + 1) * width * height);
    for (let i = 0; i < ids.length; i++) ids[i] = ids[i] === NONE ? 0 : ids[i]! + 1;
    frames.push({ width, height, ids });
  }
  const most = frames.reduce((so, { ids }) => ids.reduce((a, b) => Math.max(a, b), so), 0);
  const count = Math.max(most, seeds.length, clusters.length);
  return {
    frames,
    clusters: count,
    seeds: Array.from({ length: count }, (_, i) => pointOf(seeds[i])),
    categories: Array.from({ length: count }, (_, i) => categoryOf(clusters[i])),
    changed: frames.map((frame, i) => changeOf(frame, frames[i - 1])),
  };
}

function mismatch(): Error {
  return new Error("steps.json and steps.png do not belong together.");
}

function pointOf(value: unknown): Point | undefined {
  if (!Array.isArray(value) || !isNumber(value[0]) || !isNumber(value[1])) return undefined;
  return value[0] < 0 || value[1] < 0 ? undefined : { x: value[0], y: value[1] };
}

function categoryOf(value: unknown): number | undefined {
  return isRecord(value) && isNumber(value["category_id"]) ? value["category_id"] : undefined;
}

function changeOf({ ids }: Labels, before: Labels | undefined): number {
  let changed = 0;
  for (let i = 0; i < ids.length; i++) if (ids[i] !== (before?.ids[i] ?? 0)) changed++;
  return ids.length === 0 ? 0 : changed / ids.length;
}

/** Mean place of each cluster's pixels, by id, in parts of the frame; undefined for a cluster that has none. */
export function centroidsOf({ width, height, ids }: Labels, clusters: number): (Point | undefined)[] {
  const sums = Array.from({ length: clusters + 1 }, () => ({ x: 0, y: 0, n: 0 }));
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const sum = sums[ids[i]!]!;
      sum.x += x;
      sum.y += y;
      sum.n++;
    }
  }
  return sums.map(({ x, y, n }) => (n === 0 ? undefined : { x: (x / n + 0.5) / width, y: (y / n + 0.5) / height }));
}

/**
 * The segment that each cluster became, by id: the one in which most of its last step's pixels lie; 0 where it became none.
 * So a cluster can be drawn in its segment's colour from the beginning.
 */
export function segmentsOfClusters(last: Labels, clusters: number, segments: Labels): Uint16Array {
  const votes = new Map<number, Map<number, number>>();
  for (let y = 0, i = 0; y < last.height; y++) {
    const row = Math.floor(((y + 0.5) / last.height) * segments.height) * segments.width;
    for (let x = 0; x < last.width; x++, i++) {
      const segment = segments.ids[row + Math.floor(((x + 0.5) / last.width) * segments.width)]!;
      const cluster = last.ids[i]!;
      if (segment === 0 || cluster === 0) continue;
      const of = votes.get(cluster) ?? new Map<number, number>();
      of.set(segment, (of.get(segment) ?? 0) + 1);
      votes.set(cluster, of);
    }
  }
  const areas = areasOf(last, clusters);
  const became = new Uint16Array(clusters + 1);
  for (const [cluster, of] of votes) {
    const [segment, pixels] = [...of].reduce((best, one) => (one[1] > best[1] ? one : best));
    // A cluster that was dropped lies under others' segments here and there; it became none of them.
    if (pixels * 2 > areas[cluster]!) became[cluster] = segment;
  }
  return became;
}
