import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NO_LABEL } from "../../layers/segments/segment-map.js";
import { createLabelCanvas, globalSeedLabels, pasteTile } from "../../layers/segments/stitch.js";

describe("stitching tiles", () => {
  it("puts back together what was cut into overlapping tiles of one grid, without seams", () => {
    // One seed for each cell of `cell` pixels; a tile holds whole cells, and `overlap` cells of its neighbours around its core.
    const layouts = fc.record({
      columns: fc.integer({ min: 1, max: 8 }),
      rows: fc.integer({ min: 1, max: 8 }),
      cell: fc.integer({ min: 1, max: 4 }),
      core: fc.integer({ min: 1, max: 4 }),
      overlap: fc.integer({ min: 0, max: 2 }),
    });
    fc.assert(
      fc.property(layouts, ({ columns, rows, cell, core, overlap }) => {
        const width = columns * cell;
        const height = rows * cell;
        const seedAt = (x: number, y: number) => Math.floor(y / cell) * columns + Math.floor(x / cell);
        const canvas = createLabelCanvas(width, height);
        for (let row = 0; row < rows; row += core) {
          for (let column = 0; column < columns; column += core) {
            const first = { row: Math.max(0, row - overlap), column: Math.max(0, column - overlap) };
            const end = { row: Math.min(rows, row + core), column: Math.min(columns, column + core) };
            const window = {
              ...first,
              rows: Math.min(rows, end.row + overlap) - first.row,
              columns: Math.min(columns, end.column + overlap) - first.column,
            };
            const tile = labelsOfGrid(window.columns, window.rows, cell);
            const crop = {
              x: (column - first.column) * cell,
              y: (row - first.row) * cell,
              width: (end.column - column) * cell,
              height: (end.row - row) * cell,
            };
            pasteTile(canvas, tile, crop, { x: column * cell, y: row * cell }, globalSeedLabels(window, columns));
          }
        }
        const expected = Array.from({ length: width * height }, (_, i) => seedAt(i % width, Math.floor(i / width)));
        expect([...canvas.labels]).toEqual(expected);
      }),
    );
  });

  it("leaves none as none, and pixels outside the crop untouched", () => {
    const canvas = createLabelCanvas(3, 1);
    const tile = { width: 2, height: 1, labels: Uint16Array.from([0, NO_LABEL]) };
    pasteTile(canvas, tile, { x: 0, y: 0, width: 2, height: 1 }, { x: 0, y: 0 }, Uint16Array.from([7]));
    expect([...canvas.labels]).toEqual([7, NO_LABEL, NO_LABEL]);
  });

  const whole = { x: 0, y: 0, width: 2, height: 2 };
  it.each([
    ["a crop that leaves the tile", { ...whole, x: 1 }, { x: 0, y: 0 }, 4],
    ["a crop that leaves the canvas", whole, { x: 2, y: 0 }, 4],
    ["a place left of the canvas", whole, { x: -1, y: 0 }, 4],
    ["a label without a seed", whole, { x: 0, y: 0 }, 3],
  ])("refuses %s", (_name, crop, at, seeds) => {
    const tile = { width: 2, height: 2, labels: Uint16Array.from([0, 1, 2, 3]) };
    expect(() => pasteTile(createLabelCanvas(3, 3), tile, crop, at, new Uint16Array(seeds))).toThrow(
      expect.objectContaining({ code: "SEGMENT_MAP_INVALID" }),
    );
  });

  it.each([
    [0, 4],
    [-1, 4],
    [1.5, 2],
  ])("refuses a canvas of %s x %s", (width, height) => {
    expect(() => createLabelCanvas(width, height)).toThrow(expect.objectContaining({ code: "SEGMENT_MAP_INVALID" }));
  });
});

describe("globalSeedLabels", () => {
  it("numbers a tile's seeds as the whole grid does", () => {
    expect([...globalSeedLabels({ row: 1, column: 2, rows: 2, columns: 2 }, 5)]).toEqual([7, 8, 12, 13]);
  });

  it("refuses a window beside the grid, and a grid with more seeds than labels", () => {
    expect(() => globalSeedLabels({ row: 0, column: 4, rows: 1, columns: 2 }, 5)).toThrow("leave the grid");
    expect(() => globalSeedLabels({ row: 255, column: 0, rows: 1, columns: 256 }, 256)).toThrow(
      expect.objectContaining({ code: "SEGMENT_LIMIT" }),
    );
  });
});

function labelsOfGrid(columns: number, rows: number, cell: number) {
  const width = columns * cell;
  const height = rows * cell;
  const labels = Uint16Array.from({ length: width * height }, (_, i) => {
    return Math.floor(Math.floor(i / width) / cell) * columns + Math.floor((i % width) / cell);
  });
  return { width, height, labels };
}
