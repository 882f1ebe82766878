import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chooseGrid, maxSeeds } from "../../layers/model/grid.js";

const side = fc.integer({ min: 1, max: 8000 });

test("rows * columns lies between K and 1.15 K wherever some grid in that range fits", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60_000 }), side, side, (k, width, height) => {
      const { rows, columns } = chooseGrid(k, width, height);

      expect(rows >= 1 && rows <= height && columns >= 1 && columns <= width).toBe(true);
      const wanted = Math.min(k, width * height, Math.floor(maxSeeds / 1.15));
      expect(rows * columns).toBeGreaterThanOrEqual(wanted);
      if (width >= wanted || height >= wanted)
        expect(rows * columns).toBeLessThanOrEqual(Math.max(wanted, 1.15 * wanted));
      expect(rows * columns).toBeLessThanOrEqual(maxSeeds);
    }),
  );
});

test("from 50 superpixels on, cells of photographs are nearly square", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 50, max: 5000 }),
      fc.integer({ min: 300, max: 4000 }),
      fc.double({ min: 0.5, max: 2, noNaN: true }),
      (k, width, aspect) => {
        const height = Math.round(width * aspect);

        const { rows, columns } = chooseGrid(k, width, height);

        const stretch = (width * rows) / (height * columns);
        expect(Math.max(stretch, 1 / stretch)).toBeLessThan(1.35);
      },
    ),
  );
});

describe("known grids", () => {
  test.each([
    // The formula of training/clustseg/model/grid.py.
    [100, 481, 321, 8, 13],
    [300, 481, 321, 14, 23],
    [600, 481, 321, 21, 30],
    [300, 321, 481, 22, 14],
    // Fewer pixels than superpixels: a seed for each pixel.
    [300, 1, 1, 1, 1],
    [300, 10, 10, 10, 10],
    // Long and thin: no more than 1.15 times what was asked.
    [300, 1, 5000, 345, 1],
    [1, 481, 321, 1, 1],
  ])("%i superpixels on %i x %i: %i x %i", (k, width, height, rows, columns) => {
    expect(chooseGrid(k, width, height)).toEqual({ rows, columns });
  });

  test("more superpixels than 16 bit labels hold are capped", () => {
    const { rows, columns } = chooseGrid(1_000_000, 6000, 4000);

    expect(rows * columns).toBeGreaterThan(56_000);
    expect(rows * columns).toBeLessThanOrEqual(maxSeeds);
  });
});
