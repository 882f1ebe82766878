import { ClustsegError } from "./errors.js";
import { NO_LABEL, type SegmentMap } from "./segment-map.js";
import type { SegmentClass } from "./table.js";
import type { Size } from "./upscale.js";

/** What becomes one segment: an object, or all of a class in the picture. */
export interface SceneObject extends SegmentClass {
  /** Is it one object among others of its class (a thing, where the task tells objects apart)? */
  readonly countable: boolean;
  /** It is not to be a segment: its pixels go to its neighbours. */
  readonly dropped?: boolean;
}

/** A picture's objects and where they are. */
export interface ObjectLabels {
  /** Index into `objects` of each pixel, row-major; `NO_LABEL` = none. */
  readonly labels: Uint16Array;
  readonly objects: readonly SceneObject[];
}

/**
 * From clusters, one a pixel, to objects. Clusters of one class are one object where objects of the class are not told apart;
 * its score is theirs, by the pixels they have. Clusters without a pixel are no objects.
 *
 * @param labels index into `clusters` of each pixel; overwritten
 * @param clusters undefined for one that may have no pixels
 * @param countable are objects of this cluster's class told apart?
 * @throws ClustsegError MODEL_OUTPUT_INVALID when a pixel has a cluster that is not there
 */
export function objectsOfClusters(
  labels: Uint16Array,
  clusters: readonly (SegmentClass | undefined)[],
  countable: (cluster: SegmentClass) => boolean,
): ObjectLabels {
  const pixels = new Uint32Array(NO_LABEL + 1);
  for (let i = 0; i < labels.length; i++) pixels[labels[i]!] = pixels[labels[i]!]! + 1;
  const indexOf = new Uint16Array(NO_LABEL + 1).fill(NO_LABEL);
  const objects: SceneObject[] = [];
  const weights: number[] = [];
  const ofClass = new Map<number, number>();
  for (let label = 0; label < NO_LABEL; label++) {
    const won = pixels[label]!;
    if (won === 0) continue;
    const cluster = clusters[label];
    if (cluster === undefined) throw notACluster(label, clusters.length);
    const single = countable(cluster);
    const known = single ? undefined : ofClass.get(cluster.categoryId);
    if (known === undefined) {
      indexOf[label] = objects.length;
      if (!single) ofClass.set(cluster.categoryId, objects.length);
      objects.push({ ...cluster, countable: single });
      weights.push(won);
      continue;
    }
    indexOf[label] = known;
    const before = objects[known]!;
    const weight = weights[known]! + won;
    objects[known] = { ...before, score: (before.score * weights[known]! + cluster.score * won) / weight };
    weights[known] = weight;
  }
  for (let i = 0; i < labels.length; i++) labels[i] = indexOf[labels[i]!]!;
  return { labels, objects };
}

/** A segment map and what its segments are said to be, in order of id. */
export interface ClassifiedMap {
  readonly map: SegmentMap;
  readonly classes: readonly SegmentClass[];
}

/**
 * Numbers the objects that have pixels 1..n in raster order of their first pixel. Scores are rounded to four digits, as they
 * are written.
 *
 * @param hidden objects whose pixels are to have no segment
 */
export function numberObjects(
  { labels, objects }: ObjectLabels,
  { width, height }: Size,
  hidden: (object: SceneObject) => boolean,
): ClassifiedMap {
  const unseen = -1;
  const idOf = new Int32Array(NO_LABEL + 1).fill(unseen);
  idOf[NO_LABEL] = 0;
  for (const [index, object] of objects.entries()) if (hidden(object)) idOf[index] = 0;
  const classes: SegmentClass[] = [];
  const ids = new Uint16Array(labels.length);
  // Neighbours mostly have one label, so that the look-up is done once a run.
  for (let i = 0, label = -1, id = 0; i < labels.length; i++) {
    if (labels[i] === label) {
      ids[i] = id;
      continue;
    }
    label = labels[i]!;
    id = idOf[label]!;
    if (id === unseen) {
      const { categoryId, isThing, score } = objects[label]!;
      id = classes.push({ categoryId, isThing, score: Math.round(score * 1e4) / 1e4 });
      idOf[label] = id;
    }
    ids[i] = id;
  }
  return { map: { width, height, segments: classes.length, ids }, classes };
}

function notACluster(label: number, count: number): ClustsegError {
  return new ClustsegError(
    "MODEL_OUTPUT_INVALID",
    `A pixel has cluster ${label}, but that is none of the ${count} clusters, or of no class in model.json.`,
    { hint: "Export the bundle again: its graph does not keep the contract of clustseg.bundle/1." },
  );
}
