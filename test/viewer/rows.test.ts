import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { heightOf, layOut, neighbour, rowOf, rowsWithin, shapeOf } from "../../layers/viewer/page/gallery/rows.js";

const options = { width: 1000, height: 200, gap: 16, caption: 44 };
const sizes = fc.array(
  fc.record({ width: fc.integer({ min: 1, max: 9000 }), height: fc.integer({ min: 1, max: 9000 }) }),
  {
    minLength: 1,
    maxLength: 80,
  },
);
const widths = fc.integer({ min: 120, max: 3000 });

describe("the rows of the gallery", () => {
  it("have every picture once, in order, as wide as the gallery, and none over another", () => {
    fc.assert(
      fc.property(sizes, widths, (pictures, width) => {
        const rows = layOut(pictures.map(shapeOf), { ...options, width });

        expect(rows.flatMap(({ cells }) => cells.map(({ index }) => index))).toEqual(pictures.map((_, i) => i));
        for (const [i, { top, height, cells }] of rows.entries()) {
          expect(height).toBeLessThanOrEqual(options.height + 1e-9);
          const end = cells.at(-1)!.left + cells.at(-1)!.width;
          if (i < rows.length - 1) expect(end).toBeCloseTo(width, 6);
          else expect(end).toBeLessThanOrEqual(width + 1e-6);
          for (const [j, cell] of cells.entries()) {
            if (j > 0) expect(cell.left).toBeCloseTo(cells[j - 1]!.left + cells[j - 1]!.width + options.gap, 6);
          }
          if (i > 0) expect(top).toBeCloseTo(rows[i - 1]!.top + rows[i - 1]!.height + options.caption + options.gap, 6);
        }
      }),
    );
  });

  it("are found by what the window shows", () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 0, max: 4000 }), fc.integer({ min: 1, max: 900 }), (pictures, top, room) => {
        const rows = layOut(pictures.map(shapeOf), options);

        const [from, to] = rowsWithin(rows, top, top + room, options.caption);

        const touched = rows.filter((row) => row.top < top + room && row.top + row.height + options.caption > top);
        expect(rows.slice(from, to)).toEqual(touched);
      }),
    );
  });

  it("lead up and down to the nearest picture, and back", () => {
    const rows = layOut(
      Array.from({ length: 40 }, () => 1.5),
      options,
    );

    for (let index = 0; index < 40; index++) {
      const below = neighbour(rows, index, 1);
      expect(rowOf(rows, below)).toBe(Math.min(rows.length - 1, rowOf(rows, index) + 1));
      if (below !== index && rows[rowOf(rows, below)]!.cells.length === rows[0]!.cells.length)
        expect(neighbour(rows, below, -1)).toBe(index);
    }
    expect(neighbour(rows, 0, -1)).toBe(0);
  });

  it("cut what is very wide or very narrow to a shape that leaves room for others", () => {
    expect(shapeOf({ width: 20_000, height: 10 })).toBeLessThan(3);
    expect(shapeOf({ width: 10, height: 20_000 })).toBeGreaterThan(0.3);
  });

  it("take no time to speak of for 100,000 pictures", () => {
    const shapes = Array.from({ length: 100_000 }, (_, i) => 0.6 + (i % 17) / 10);
    const began = performance.now();
    const rows = layOut(shapes, options);
    expect(performance.now() - began).toBeLessThan(500);
    expect(heightOf(rows, options)).toBeGreaterThan(1_000_000);
  });
});
