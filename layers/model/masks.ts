import { cleanObjects } from "../segments/clean-objects.js";
import { ClustsegError } from "../segments/errors.js";
import { numberObjects, type ObjectLabels, objectsOfClusters } from "../segments/objects.js";
import { NO_LABEL } from "../segments/segment-map.js";
import { addTile, createObjectCanvas, finishObjects } from "../segments/tile-objects.js";
import { type Size, smoothLabels } from "../segments/upscale.js";
import { type BundleManifest, categoriesOf, type Task } from "./bundle.js";
import { type Clusters, stepsOf, stepsOfShrunk } from "./cluster-steps.js";
import type { DecodedImage } from "./decoded-image.js";
import { type GraphRequest, type GraphResult, runGraph } from "./graph.js";
import { inOrder } from "./in-order.js";
import { type MaskTile, type MaskTilePolicy, planMaskTiles } from "./mask-tiles.js";
import { completeParameters, type MaskParameters } from "./parameters.js";
import { cropped, resampled } from "./resample.js";
import type { GraphRunner } from "./runner.js";
import type { Segmentation } from "./segmentation.js";
import { tilesAtOnce } from "./tiles.js";

/** The tasks whose segments have classes. */
export type MaskTask = Exclude<Task, "superpixel">;

export interface MaskOptions {
  /** Also the clusters at each E-step, of a graph that gives them. @default false */
  readonly steps?: boolean;
}

/**
 * Semantic: one segment for each class that is there. Instance: one for each thing. Panoptic: both, things by their own and one
 * for each class of stuff. Of the graph's winners, one a pixel, what is too small is given to its neighbours (`cleanObjects`).
 *
 * @throws ClustsegError PARAMETER_INVALID, SEGMENT_LIMIT, MODEL_OUTPUT_INVALID, or of GraphRunner.run
 */
export async function segmentMasks(
  runner: GraphRunner,
  manifest: BundleManifest,
  image: DecodedImage,
  task: MaskTask,
  parameters: MaskParameters,
  { steps: withSteps = false }: MaskOptions = {},
): Promise<Segmentation> {
  const asked = completeParameters(task, parameters, manifest);
  // What has no effect on a task is no parameter of it; the graph may have an input for it all the same.
  const { threshold = 0, mask_threshold: maskThreshold = 0 } = asked;
  const request = { task: manifest.tasks.indexOf(task), threshold, maskThreshold };
  const reading: Reading = { task, clustersOf: clustersOf(manifest), threshold: Math.fround(threshold) };
  const found = await find(runner, manifest, image, { reading, request, withSteps });

  cleanObjects(found.scene, found.size, {
    minArea: asked.min_area ?? 0,
    overlapThreshold: asked.overlap_threshold ?? 0,
  });
  const { width, height } = image;
  const same = found.size.width === width && found.size.height === height;
  const labels = same ? found.scene.labels : smoothLabels(found.scene.labels, found.size, image);
  const hidden = ({ isThing }: { isThing: boolean }): boolean => task === "instance" && !isThing;
  const { map, classes } = numberObjects({ labels, objects: found.scene.objects }, image, hidden);
  return { task, map, classes, ...found.steps, notes: found.notes, graphMs: found.ms };
}

/** How the graph's clusters are understood. */
interface Reading {
  readonly task: MaskTask;
  readonly clustersOf: (result: GraphResult) => Clusters;
  readonly threshold: number;
}

interface Asked {
  readonly reading: Reading;
  readonly request: Pick<GraphRequest, "task" | "threshold" | "maskThreshold">;
  readonly withSteps: boolean;
}

/** The objects as the graph found them, at the scale that it worked at. */
interface Found {
  readonly scene: ObjectLabels;
  readonly size: Size;
  readonly steps: Pick<Segmentation, "steps">;
  readonly notes: readonly string[];
  readonly ms: number;
}

async function find(
  runner: GraphRunner,
  { input }: BundleManifest,
  image: DecodedImage,
  { reading, request, withSteps }: Asked,
): Promise<Found> {
  const { scale, mask_tile: policy } = input;
  if (scale.mode === "native" && policy !== undefined) {
    const tiles = planMaskTiles(image, policy);
    if (tiles.length > 1) return findInTiles(runner, image, tiles, policy, { reading, request, withSteps });
  }
  const size = scale.mode === "fit" ? fittedSize(image, scale.long_side) : { width: image.width, height: image.height };
  const same = size.width === image.width && size.height === image.height;
  const rgb = same ? image.data : await resampled(image.data, image, size);
  const result = await runGraph(runner, { ...request, ...size, image: new Uint8Array(rgb), withSteps });
  const steps = stepsOf(result, reading.clustersOf(result));
  return { scene: objectsOf(result, reading), size, steps, notes: [], ms: result.ms };
}

async function findInTiles(
  runner: GraphRunner,
  image: DecodedImage,
  tiles: readonly MaskTile[],
  { side }: MaskTilePolicy,
  { reading, request, withSteps }: Asked,
): Promise<Found> {
  const { width, height, data } = image;
  const canvas = createObjectCanvas(width, height);
  let ms = 0;
  const run = async (tile: MaskTile) => {
    const { area } = tile;
    const pixels = cropped(data, width, area);
    return {
      tile,
      result: await runGraph(runner, { ...request, image: pixels, width: area.width, height: area.height }),
    };
  };
  for await (const { tile, result } of inOrder(tiles, tilesAtOnce(runner), run)) {
    addTile(canvas, { ...tile, ...objectsOf(result, reading) });
    ms += result.ms;
  }
  const scene = finishObjects(canvas);
  const found = { scene, size: { width, height }, notes: [], ms };
  if (!withSteps) return { ...found, steps: {} };
  const { steps, notes, ms: more } = await stepsOfShrunk(runner, image, side * side, request, reading.clustersOf);
  return { ...found, steps: { steps }, notes, ms: ms + more };
}

function objectsOf(result: GraphResult, { task, clustersOf, threshold }: Reading): ObjectLabels {
  const clusters = clustersOf(result);
  const countable = ({ isThing }: { isThing: boolean }): boolean => isThing && task !== "semantic";
  // A graph that has the threshold as an input has given these pixels to others already.
  const unsure = clusters.map((cluster) => cluster !== undefined && countable(cluster) && cluster.score < threshold);
  const { labels } = result;
  if (unsure.includes(true)) {
    for (let i = 0; i < labels.length; i++) if (unsure[labels[i]!] === true) labels[i] = NO_LABEL;
  }
  return objectsOfClusters(labels, clusters, countable);
}

/** The classes of a result's clusters; undefined for those of no class, which may have no pixels. */
function clustersOf(manifest: BundleManifest): (result: GraphResult) => Clusters {
  const things = new Map(categoriesOf(manifest).map(({ id, isthing }) => [id, isthing]));
  return ({ classIds, scores, labels }) => {
    if (classIds.length === 0 && labels.some((label) => label !== NO_LABEL)) {
      throw new ClustsegError("MODEL_OUTPUT_INVALID", "The graph gives labels but no class_id and score for them.", {
        hint: "Export the bundle again: its graph does not keep the contract of clustseg.bundle/1.",
      });
    }
    return classIds.map((categoryId, cluster) => {
      const isThing = things.get(categoryId);
      return isThing === undefined ? undefined : { categoryId, isThing, score: scores[cluster]! };
    });
  };
}

/** The size at which the longer side has `side` pixels. */
function fittedSize({ width, height }: Size, side: number): Size {
  const scale = side / Math.max(width, height);
  const fitted = (length: number): number => Math.max(1, Math.round(length * scale));
  return { width: fitted(width), height: fitted(height) };
}
