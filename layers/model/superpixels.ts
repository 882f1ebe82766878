import { z } from "zod";
import { ClustsegError } from "../segments/errors.js";
import { NO_LABEL, type SegmentMap, segmentMapFromLabels } from "../segments/segment-map.js";
import { type Size, upscaleSegmentMap } from "../segments/upscale.js";
import type { BundleManifest } from "./bundle.js";
import type { DecodedImage } from "./decoded-image.js";
import { chooseGrid } from "./grid.js";
import { samplesOf, sharp } from "./libvips.js";
import type { GraphRunner } from "./runner.js";
import { runTiles, wholeCellSize } from "./tiles.js";

/** Parameters of the task "superpixel"; those not given come from model.json's `defaults`. */
export interface SegmentParameters {
  /** How many superpixels are wanted; between that and 1.15 times as many seeds are laid out. */
  readonly superpixels?: number | undefined;
  /** Pieces smaller than this part of the mean superpixel are merged into a neighbour; 0 keeps all. */
  readonly min_area_ratio?: number | undefined;
}

const parametersSchema = z.strictObject({
  superpixels: z.int().min(1).optional(),
  min_area_ratio: z.number().min(0).max(1).optional(),
});

/**
 * Fills in the bundle's defaults.
 * @throws ClustsegError PARAMETER_INVALID
 */
export function completeParameters(
  parameters: unknown,
  manifest: BundleManifest,
): Required<BundleManifest["defaults"]> {
  const parsed = parametersSchema.safeParse(parameters);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => `${issue.path.join(".") || "parameters"}: ${issue.message}`);
    throw new ClustsegError("PARAMETER_INVALID", `Bad parameters for superpixels: ${issues.join("; ")}.`, {
      hint: "superpixels is a whole number from 1, min_area_ratio a number from 0 to 1.",
    });
  }
  return {
    superpixels: parsed.data.superpixels ?? manifest.defaults.superpixels,
    min_area_ratio: parsed.data.min_area_ratio ?? manifest.defaults.min_area_ratio,
  };
}

export interface SuperpixelResult {
  readonly map: SegmentMap;
  /** Milliseconds that the graph ran. */
  readonly graphMs: number;
}

/**
 * The grid of seeds is fixed first, for the whole image. Images whose cells are larger than the graph works at are shrunk
 * (their ids are enlarged again), and what is still above `input.tile.max_pixels` is run in tiles: memory stays flat.
 *
 * @throws ClustsegError PARAMETER_INVALID, SEGMENT_LIMIT, or of GraphRunner.run
 */
export async function segmentSuperpixels(
  runner: GraphRunner,
  manifest: BundleManifest,
  image: DecodedImage,
  parameters: SegmentParameters,
): Promise<SuperpixelResult> {
  const { superpixels, min_area_ratio: ratio } = completeParameters(parameters, manifest);
  const { width, height, data } = image;
  if (data.length !== width * height * 3 || data.length === 0) {
    throw new ClustsegError(
      "PARAMETER_INVALID",
      `Expected ${width} x ${height} x 3 bytes but received ${data.length}.`,
      {
        hint: "Pass interleaved 8 bit RGB, as decodeImage gives it.",
      },
    );
  }
  const { cell_size: cells, tile } = manifest.input;
  const grid = chooseGrid(superpixels, width, height);
  const whole = wholeCellSize(grid, image, cells);
  const pixels = width * height;

  // Below twice the pixels that the graph works at, it may as well resample by itself.
  if (pixels <= tile.max_pixels && pixels < 2 * whole.width * whole.height) {
    const { labels, ms } = await runner.run({ image: new Uint8Array(data), width, height, superpixels, ...grid });
    return { map: connected(labels, image, ratio), graphMs: ms };
  }
  const rgb = await resampled(data, image, whole);
  const { labels, ms } = await runTiles(runner, rgb, whole, grid, tile);
  const map =
    whole.width <= width && whole.height <= height
      ? upscaleSegmentMap(connected(labels, whole, ratio), image)
      : // Where cells are so small that they were enlarged, going back can part a segment: connect afterwards.
        connected(nearest(labels, whole, image), image, ratio);
  return { map, graphMs: ms };
}

/** As training/clustseg/connectivity.py does it: the smallest area is a part of the mean area of the labels found. */
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

async function resampled(rgb: Uint8Array, from: Size, to: Size): Promise<Uint8Array> {
  const whole = sharp(rgb, { raw: { width: from.width, height: from.height, channels: 3 }, limitInputPixels: false });
  const { data } = await samplesOf(whole.resize(to.width, to.height, { fit: "fill", kernel: "linear" }).raw());
  return data;
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
