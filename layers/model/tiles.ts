import { createLabelCanvas, globalSeedLabels, pasteTile, type Rectangle, type SeedWindow } from "../segments/stitch.js";
import type { Size } from "../segments/upscale.js";
import { runGraph } from "./graph.js";
import type { SeedGrid } from "./grid.js";
import { inOrder } from "./in-order.js";
import { cropped } from "./resample.js";
import type { GraphRunner } from "./runner.js";

/** `input.cell_size` of model.json: the cells, in pixels, that the graph works at. */
export interface CellPolicy {
  readonly min: number;
  readonly max: number;
  readonly multiple: number;
}

/** `input.tile` of model.json. */
export interface TilePolicy {
  readonly max_pixels: number;
  /** The margin around a tile's core is at least so many cells, and at least so many pixels. */
  readonly overlap_cells: number;
  readonly overlap_pixels: number;
  /** Tiles begin at multiples of so many pixels, and end there or at the picture's border. */
  readonly align: number;
}

/** One run of the graph on a part of a picture that is made of whole cells. */
export interface Tile {
  /** The cells that the graph sees: the core and a margin. */
  readonly seeds: SeedWindow;
  /** The pixels of those cells. */
  readonly area: Rectangle;
  /** The pixels whose labels are kept; the cores of all tiles cover the picture once. */
  readonly core: Rectangle;
}

/**
 * The size at which every cell of the grid is whole: a cell's sides are the multiple of `policy.multiple` next to their
 * natural length, between min and max. The graph resamples to this very size by itself; done beforehand, a tile's cells
 * are exactly those of the whole picture, and pictures much larger than their cells need are small before they reach it.
 */
export function wholeCellSize(grid: SeedGrid, size: Size, policy: CellPolicy): Size {
  const side = (length: number, cells: number): number => {
    const nearest = Math.floor(length / cells / policy.multiple + 0.5) * policy.multiple;
    return cells * Math.min(Math.max(nearest, policy.min), policy.max);
  };
  return { width: side(size.width, grid.columns), height: side(size.height, grid.rows) };
}

/**
 * Cuts a picture of whole cells into tiles, along cell borders, so that no tile with its margin has more than
 * `policy.max_pixels` pixels, and as few pixels as possible are run twice. Margins end at the picture's border.
 *
 * The labels of a tile's core depend on what lies around it; with a margin as wide as the graph looks they are those of the
 * whole picture, and since all tiles count their seeds from one grid, a superpixel on a seam has one label on both sides.
 */
export function planTiles(grid: SeedGrid, size: Size, policy: TilePolicy): Tile[] {
  const down = axisOf(grid.rows, size.height, policy);
  const across = axisOf(grid.columns, size.width, policy);
  let best = { down: down.cells, across: across.cells, cost: Number.POSITIVE_INFINITY };
  for (let parts = 1; parts <= down.cells; parts++) {
    const height = longestSpan(down, parts) * down.side;
    const columns = Math.floor(policy.max_pixels / (height * across.side));
    const core = columns >= across.cells ? across.cells : columns - 2 * (across.margin + across.period - 1);
    if (core < 1) continue;
    const beside = Math.ceil(across.cells / core);
    const cost = parts * height * beside * longestSpan(across, beside) * across.side;
    if (cost < best.cost) best = { down: parts, across: beside, cost };
  }
  const columns = spansOf(across, best.across);
  return spansOf(down, best.down).flatMap((v) =>
    columns.map((h) => ({
      seeds: { row: v.first, column: h.first, rows: v.count, columns: h.count },
      area: { x: h.from, y: v.from, width: h.length, height: v.length },
      core: { x: h.coreFrom, y: v.coreFrom, width: h.coreLength, height: v.coreLength },
    })),
  );
}

/** One axis of the picture, in cells; `side` is a cell's length in pixels. */
interface Axis {
  readonly cells: number;
  readonly side: number;
  /** Cells around a core. */
  readonly margin: number;
  /** Every so many cells a border lies on a multiple of `align`: tiles begin and end there. */
  readonly period: number;
}

function axisOf(cells: number, length: number, policy: TilePolicy): Axis {
  const side = length / cells;
  const margin = Math.max(policy.overlap_cells, Math.ceil(policy.overlap_pixels / side));
  let period = 1;
  while ((period * side) % policy.align !== 0) period++;
  return { cells, side, margin, period };
}

/** The most cells that a tile can have when the axis is cut into `parts` cores. */
function longestSpan({ cells, margin, period }: Axis, parts: number): number {
  return Math.min(Math.ceil(cells / parts) + 2 * (margin + period - 1), cells);
}

/** The axis cut into `parts` cores: each tile's cells and pixels, and its core's pixels. */
function spansOf({ cells, side, margin, period }: Axis, parts: number) {
  return Array.from({ length: parts }, (_, part) => {
    const begin = Math.floor((part * cells) / parts);
    const end = Math.floor(((part + 1) * cells) / parts);
    const first = Math.floor(Math.max(0, begin - margin) / period) * period;
    const count = Math.min(cells, Math.ceil((end + margin) / period) * period) - first;
    const pixels = { from: first * side, length: count * side };
    return { first, count, ...pixels, coreFrom: begin * side, coreLength: (end - begin) * side };
  });
}

export interface TiledLabels {
  /** Seed labels of the whole picture, row-major. */
  readonly labels: Uint16Array;
  /** Milliseconds that the graph ran. */
  readonly ms: number;
}

export interface TilesToRun {
  readonly grid: SeedGrid;
  readonly policy: TilePolicy;
  /** Index into model.json's tasks. @default 0 */
  readonly task?: number;
}

/**
 * Runs the graph tile by tile over a picture of whole cells, as many tiles at once as the runner has workers. The labels do
 * not depend on how many that are.
 * @param rgb interleaved RGB, size.width * size.height * 3
 */
export async function runTiles(
  runner: GraphRunner,
  rgb: Uint8Array,
  size: Size,
  { grid, policy, task = 0 }: TilesToRun,
): Promise<TiledLabels> {
  const canvas = createLabelCanvas(size.width, size.height);
  let total = 0;
  const run = async (tile: Tile) => {
    const { seeds, area } = tile;
    const { width, height } = area;
    const superpixels = seeds.rows * seeds.columns;
    const image = cropped(rgb, size.width, area);
    const { rows, columns } = seeds;
    return { tile, result: await runGraph(runner, { image, width, height, task, superpixels, rows, columns }) };
  };
  for await (const { tile, result } of inOrder(planTiles(grid, size, policy), tilesAtOnce(runner), run)) {
    const { seeds, area, core } = tile;
    const inside = { ...core, x: core.x - area.x, y: core.y - area.y };
    pasteTile(canvas, { ...area, labels: result.labels }, inside, core, globalSeedLabels(seeds, grid.columns));
    total += result.ms;
  }
  return { labels: canvas.labels, ms: total };
}

/** One more than there are workers: cut out and waiting, so that no worker waits. */
export function tilesAtOnce({ workers = 1 }: GraphRunner): number {
  return workers + 1;
}
