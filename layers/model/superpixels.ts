import { ClustsegError } from "../segments/errors.js";
import { NO_LABEL, type SegmentMap, segmentMapFromLabels } from "../segments/segment-map.js";
import { type Size, upscaleSegmentMap } from "../segments/upscale.js";
import type { BundleManifest } from "./bundle.js";
import { stepsOf, stepsOfShrunk } from "./cluster-steps.js";
import type { DecodedImage } from "./decoded-image.js";
import { runGraph } from "./graph.js";
import { chooseGrid, type SeedGrid } from "./grid.js";
import { completeParameters, type SuperpixelParameters } from "./parameters.js";
import { resampled } from "./resample.js";
import type { GraphRunner } from "./runner.js";
import type { Segmentation } from "./segmentation.js";
import { runTiles, wholeCellSize } from "./tiles.js";

export interface SuperpixelOptions {
  /** Also the clusters at each E-step, of a graph that gives them. @default false */
  readonly steps?: boolean;
}

/**
 * The grid of seeds is fixed first, for the whole image. Images whose cells are larger than the graph works at are shrunk
 * (their ids are enlarged again), and what is still above `input.tile.max_pixels` is run in tiles: memory stays flat.
 *
 * @throws ClustsegError PARAMETER_INVALID, SEGMENT_LIMIT, MODEL_OUTPUT_INVALID, or of GraphRunner.run
 */
export async function segmentSuperpixels(
  runner: GraphRunner,
  manifest: BundleManifest,
  image: DecodedImage,
  parameters: SuperpixelParameters,
  { steps: withSteps = false }: SuperpixelOptions = {},
): Promise<Segmentation> {
  const asked = completeParameters("superpixel", parameters, manifest) as Required<SuperpixelParameters>;
  const superpixels = asked.superpixels as number;
  const ratio = asked.min_area_ratio as number;
  const { cell_size: cells, tile } = manifest.input;
  if (cells === undefined || tile === undefined) throw notForSuperpixels(manifest);
  const { width, height, data } = image;
  const task = manifest.tasks.indexOf("superpixel");
  const grid = chooseGrid(superpixels, width, height);
  const whole = wholeCellSize(grid, image, cells);
  const pixels = width * height;
  const notes = roomNotes(superpixels, grid);

  // Below twice the pixels that the graph works at, it may as well resample by itself.
  if (pixels <= tile.max_pixels && pixels < 2 * whole.width * whole.height) {
    const request = { image: new Uint8Array(data), width, height, task, superpixels, ...grid, withSteps };
    const result = await runGraph(runner, request);
    const map = connected(result.labels, image, ratio);
    return { task: "superpixel", map, ...stepsOf(result, []), notes, graphMs: result.ms };
  }
  const rgb = await resampled(data, image, whole);
  const { labels, ms } = await runTiles(runner, rgb, whole, { grid, task, policy: tile });
  const map =
    whole.width <= width && whole.height <= height
      ? upscaleSegmentMap(connected(labels, whole, ratio), image)
      : // Where cells are so small that they were enlarged, going back can part a segment: connect afterwards.
        connected(nearest(labels, whole, image), image, ratio);
  const result = { task: "superpixel", map, notes, graphMs: ms } as const;
  if (!withSteps) return result;
  const shown = await stepsOfShrunk(runner, image, tile.max_pixels, { task, superpixels, ...grid }, () => []);
  return { ...result, steps: shown.steps, notes: [...notes, ...shown.notes], graphMs: ms + shown.ms };
}

/** What the reader of a result should know of how many superpixels were asked for. */
function roomNotes(superpixels: number, { rows, columns }: SeedGrid): string[] {
  if (rows * columns >= superpixels) return [];
  return [`${superpixels} superpixels asked, but there is room for ${rows * columns}`];
}

function notForSuperpixels({ name }: BundleManifest): ClustsegError {
  return new ClustsegError("TASK_UNSUPPORTED", `${name} does not do superpixels.`, {
    hint: "Use a model whose model.json has input.cell_size and input.tile.",
  });
}

/** As training/clustseg/bundle/connectivity.py does it: the smallest area is a part of the mean area of the labels found. */
function connected(labels: Uint16Array, { width, height }: Size, ratio: number): SegmentMap {
  const seen = new Uint8Array(65_536);
  seen[NO_LABEL] = 1;
  let seeds = 0;
  for (let i = 0, before = NO_LABEL; i < labels.length; i++) {
    const label = labels[i]!;
    if (label === before) continue;
    before = label;
    seeds += 1 - seen[label]!;
    seen[label] = 1;
  }
  const minArea = seeds === 0 ? 0 : Math.floor((ratio * labels.length) / seeds);
  return segmentMapFromLabels(labels, width, height, { minArea });
}

/** Each pixel of `to` takes the label of the pixel of `from` that its middle falls in. */
function nearest(labels: Uint16Array, from: Size, to: Size): Uint16Array {
  const scaled = new Uint16Array(to.width * to.height);
  for (let y = 0, i = 0; y < to.height; y++) {
    const row = Math.floor(((2 * y + 1) * from.height) / (2 * to.height)) * from.width;
    for (let x = 0; x < to.width; x++, i++) {
      scaled[i] = labels[row + Math.floor(((2 * x + 1) * from.width) / (2 * to.width))]!;
    }
  }
  return scaled;
}
