import { findRuns, labelComponents } from "./components.js";
import { ClustsegError } from "./errors.js";
import { mergeOrphans } from "./orphans.js";
import { findRoot } from "./union-find.js";

/** Id of each pixel and the number of them; see connectLabels. */
export interface ConnectedIds {
  /** Id of each pixel: 0 = none, 1..segments in raster order of each segment's first pixel. */
  readonly ids: Uint16Array;
  readonly segments: number;
}

/**
 * Each 4-connected piece of a label a segment of its own, pieces below `minArea` merged into neighbours (`mergeOrphans`; pixels
 * of `none` stay none and take nothing in). training/clustseg/bundle/connectivity.py is its twin.
 *
 * @throws ClustsegError SEGMENT_LIMIT
 */
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
  const isOrphan = new Uint8Array(components.count + 1);
  for (let component = 1; component <= components.count; component++) {
    if (components.areas[component]! < minArea) isOrphan[component] = 1;
  }
  const { groups } = mergeOrphans(components, runs, width, height, isOrphan, { intoNone: false });
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

function tooManySegments(limit: number, width: number, height: number): ClustsegError {
  return new ClustsegError("SEGMENT_LIMIT", `More than ${limit} segments in ${width} x ${height} pixels`, {
    hint: "Ask for fewer superpixels, or let smaller pieces be merged.",
  });
}
