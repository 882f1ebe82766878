import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { boundaryMask, thickenMask } from "../../layers/segments/boundaries.js";
import { segmentMapFromIds } from "../../layers/segments/segment-map.js";
import { segmentMaps } from "./maps.js";

describe("boundaryMask", () => {
  it("marks the pixel left of and above a change, and counts no segment as another id", () => {
    const map = segmentMapFromIds(Uint16Array.from([1, 1, 2, 1, 1, 2, 0, 0, 0]), 3, 3);
    expect([...boundaryMask(map)]).toEqual([0, 1, 0, 1, 1, 1, 0, 0, 0]);
  });

  it("does not take the first pixel of the next row for a right neighbour", () => {
    expect([...boundaryMask(segmentMapFromIds(Uint16Array.from([1, 2, 1, 2]), 2, 2))]).toEqual([1, 0, 1, 0]);
  });

  it("marks nothing exactly when the map holds one id", () => {
    fc.assert(
      fc.property(segmentMaps(), (map) => {
        expect(boundaryMask(map).includes(1)).toBe(new Set(map.ids).size > 1);
      }),
    );
  });
});

describe("thickenMask", () => {
  it("covers a square of the wanted thickness around each mark, and nothing else", () => {
    const masks = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })).chain(([width, height]) =>
      fc.record({
        width: fc.constant(width),
        height: fc.constant(height),
        thickness: fc.integer({ min: 1, max: 12 }),
        mask: fc.uint8Array({ min: 0, max: 1, minLength: width * height, maxLength: width * height }),
      }),
    );
    fc.assert(
      fc.property(masks, ({ width, height, thickness, mask }) => {
        const after = Math.floor(thickness / 2);
        const before = thickness - 1 - after;
        const expected = [...mask].map((_, i) => {
          const x = i % width;
          const y = Math.floor(i / width);
          return [...mask].some((mark, j) => {
            const dx = x - (j % width);
            const dy = y - Math.floor(j / width);
            return mark === 1 && -before <= dx && dx <= after && -before <= dy && dy <= after;
          })
            ? 1
            : 0;
        });
        expect([...thickenMask(mask, width, height, thickness)]).toEqual(expected);
      }),
    );
  });
});
