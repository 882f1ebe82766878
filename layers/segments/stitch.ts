import { ClustsegError } from "./errors.js";
import { assertGrid, NO_LABEL } from "./segment-map.js";

/** The labels of a large image, filled tile by tile. */
export interface LabelCanvas {
  readonly width: number;
  readonly height: number;
  /** Global labels, row-major; `NO_LABEL` where no tile has been pasted yet. */
  readonly labels: Uint16Array;
}

/** What the graph returned for one tile. */
export interface TileLabels {
  readonly width: number;
  readonly height: number;
  /** The tile's own labels, row-major. */
  readonly labels: Uint16Array;
}

/** A rectangle of pixels. */
export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A tile's part of the image's grid of seeds: its first row and column, and how many of each it has. */
export interface SeedWindow {
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
}

/** A canvas with no tile on it. Needs 2 bytes a pixel. */
export function createLabelCanvas(width: number, height: number): LabelCanvas {
  const pixels = Number.isSafeInteger(width * height) && width > 0 && height > 0 ? width * height : 0;
  assertGrid(pixels, width, height);
  return { width, height, labels: new Uint16Array(pixels).fill(NO_LABEL) };
}

/**
 * Global labels of a tile's seeds, when all tiles cut their seeds from one grid: index = the tile's own label
 * (row * columns + column inside the tile), value = the same seed's label in the whole image. Tiles that overlap thus give one
 * seed one label, and a segment goes on across their seam.
 *
 * @param gridColumns columns of the whole image's grid
 * @throws ClustsegError SEGMENT_LIMIT when a label would not fit below `NO_LABEL`
 */
export function globalSeedLabels(window: SeedWindow, gridColumns: number): Uint16Array {
  const last = (window.row + window.rows - 1) * gridColumns + window.column + window.columns - 1;
  if (last >= NO_LABEL) {
    throw new ClustsegError("SEGMENT_LIMIT", `The grid needs label ${last}, but labels end at ${NO_LABEL - 1}`, {
      hint: "Ask for fewer superpixels.",
    });
  }
  if (window.row < 0 || window.column < 0 || window.column + window.columns > gridColumns) {
    throw misplaced(
      `A tile's seeds (columns ${window.column} + ${window.columns}) leave the grid of ${gridColumns} columns`,
    );
  }
  const global = new Uint16Array(window.rows * window.columns);
  for (let row = 0, i = 0; row < window.rows; row++) {
    const first = (window.row + row) * gridColumns + window.column;
    for (let column = 0; column < window.columns; column++, i++) global[i] = first + column;
  }
  return global;
}

/**
 * Pastes a crop of a tile's labels onto the canvas, translated to global labels; `NO_LABEL` stays none.
 *
 * @param crop the part of the tile to paste (its core, without the overlap)
 * @param at where the crop's top left pixel goes on the canvas
 * @param globalLabels global label for each of the tile's own (`globalSeedLabels`)
 * @throws ClustsegError SEGMENT_MAP_INVALID when the crop leaves the tile or the canvas, or a label has no global one
 */
export function pasteTile(
  canvas: LabelCanvas,
  tile: TileLabels,
  crop: Rectangle,
  at: { readonly x: number; readonly y: number },
  globalLabels: Uint16Array,
): void {
  assertGrid(tile.labels.length, tile.width, tile.height);
  assertInside(crop, tile, "tile");
  assertInside({ ...crop, ...at }, canvas, "canvas");
  for (let row = 0; row < crop.height; row++) {
    const source = (crop.y + row) * tile.width + crop.x;
    const target = (at.y + row) * canvas.width + at.x;
    for (let column = 0; column < crop.width; column++) {
      const label = tile.labels[source + column]!;
      if (label === NO_LABEL) {
        canvas.labels[target + column] = NO_LABEL;
      } else if (label < globalLabels.length) {
        canvas.labels[target + column] = globalLabels[label]!;
      } else {
        throw misplaced(`A tile has label ${label}, but its grid only has ${globalLabels.length} seeds`);
      }
    }
  }
}

function assertInside(inner: Rectangle, outer: { width: number; height: number }, name: string): void {
  const { x, y, width, height } = inner;
  const whole = [x, y, width, height].every((value) => Number.isInteger(value) && value >= 0);
  if (whole && x + width <= outer.width && y + height <= outer.height) return;
  throw misplaced(`${width} x ${height} pixels at (${x}, ${y}) leave the ${name} of ${outer.width} x ${outer.height}`);
}

function misplaced(message: string): ClustsegError {
  return new ClustsegError("SEGMENT_MAP_INVALID", message, {
    hint: "This is a bug in how tiles are laid out: report it.",
  });
}
