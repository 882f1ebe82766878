import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planMaskTiles } from "../../layers/model/mask-tiles.js";

const policy = { side: 512, overlap: 96, align: 32 };

describe("planning tiles for masks", () => {
  test.each([
    ["as many pixels as a tile has", 512, 512],
    ["long and thin", 5000, 50],
    ["one pixel", 1, 1],
  ])("an image with %s stays whole", (_, width, height) => {
    const all = { x: 0, y: 0, width, height };

    expect(planMaskTiles({ width, height }, policy)).toEqual([{ area: all, core: all }]);
  });

  test("tiles are nearly equal, and seams lie in the middle of overlaps", () => {
    const tiles = planMaskTiles({ width: 1000, height: 500 }, policy);

    expect(tiles.map(({ area, core }) => [area.x, area.width, core.x, core.width])).toEqual([
      [0, 384, 0, 336],
      [288, 416, 336, 320],
      [608, 392, 656, 344],
    ]);
    expect(tiles.every(({ area }) => area.y === 0 && area.height === 500)).toBe(true);
  });

  test("cores cover the image once, tiles are no larger than asked, aligned, and overlap enough", () => {
    const layouts = fc.record({
      width: fc.integer({ min: 1, max: 300 }),
      height: fc.integer({ min: 1, max: 300 }),
      align: fc.constantFrom(1, 4, 8),
      overlap: fc.integer({ min: 1, max: 30 }),
      core: fc.integer({ min: 8, max: 60 }),
    });
    fc.assert(
      fc.property(layouts, ({ width, height, align, overlap, core: least }) => {
        const side = overlap + least;
        const tiles = planMaskTiles({ width, height }, { side, overlap, align });

        const covered = new Uint8Array(width * height);
        for (const { area, core } of tiles) {
          for (let y = core.y; y < core.y + core.height; y++) {
            for (let x = core.x; x < core.x + core.width; x++) covered[y * width + x]!++;
          }
          const inside = (from: "x" | "y", length: "width" | "height", whole: number) => {
            expect(area[from] % align).toBe(0);
            const before = core[from] - area[from];
            const after = area[from] + area[length] - core[from] - core[length];
            // To the seam it is half of the overlap, on both sides of it.
            expect(area[from] === 0 ? before : before - (overlap >> 1)).toBe(0);
            const end = area[from] + area[length] === whole;
            expect(end ? after : after - (overlap - (overlap >> 1))).toBe(0);
          };
          inside("x", "width", width);
          inside("y", "height", height);
          expect(tiles.length === 1 || (area.width <= side && area.height <= side)).toBe(true);
        }
        expect(covered.every((times) => times === 1)).toBe(true);
        if (width * height <= side * side) expect(tiles).toHaveLength(1);
      }),
    );
  });
});
