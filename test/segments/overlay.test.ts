import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { boundaryMask } from "../../layers/segments/boundaries.js";
import { lineThickness, overlayBoundaries, readableColor } from "../../layers/segments/overlay.js";
import { segmentMapFromIds } from "../../layers/segments/segment-map.js";
import { segmentMapsWithPixels } from "./maps.js";

describe("overlayBoundaries", () => {
  it("paints boundary pixels only, and leaves the image it was given as it is", () => {
    fc.assert(
      fc.property(segmentMapsWithPixels(), ({ map, rgb }) => {
        const before = [...rgb];
        const picture = overlayBoundaries(map, rgb, { color: [1, 2, 3], thickness: 1 });
        expect([...rgb]).toEqual(before);
        boundaryMask(map).forEach((mark, i) => {
          const expected = mark === 1 ? [1, 2, 3] : before.slice(i * 3, i * 3 + 3);
          expect([...picture.slice(i * 3, i * 3 + 3)]).toEqual(expected);
        });
      }),
    );
  });

  it("draws wider lines when asked", () => {
    const map = segmentMapFromIds(Uint16Array.from([1, 1, 1, 2, 2, 2]), 6, 1);
    const picture = overlayBoundaries(map, new Uint8Array(18), { color: [9, 9, 9], thickness: 3 });
    expect([...picture].filter((_, i) => i % 3 === 0)).toEqual([0, 9, 9, 9, 0, 0]);
  });

  it("refuses pixels of another frame", () => {
    const map = segmentMapFromIds(Uint16Array.from([1, 2]), 2, 1);
    expect(() => overlayBoundaries(map, new Uint8Array(9))).toThrow("Expected 6 RGB bytes");
  });
});

describe("lineThickness", () => {
  it.each([
    [1, 1, 1],
    [481, 321, 1],
    [1600, 1200, 2],
    [6000, 4000, 8],
    [1, 5000, 6],
  ])("for %s x %s is %s", (width, height, expected) => {
    expect(lineThickness(width, height)).toBe(expected);
  });
});

describe("readableColor", () => {
  const flat = (...color: number[]) => Uint8Array.from({ length: 300 }, (_, i) => color[i % 3] ?? 0);

  it.each([
    ["a black image", flat(0, 0, 0)],
    ["foliage", flat(60, 110, 40)],
  ])("is yellow on %s", (_name, rgb) => {
    expect(readableColor(rgb)).toEqual([255, 255, 0]);
  });

  it.each([
    ["white", flat(255, 255, 255)],
    ["yellow", flat(250, 240, 20)],
    ["sand", flat(230, 215, 170)],
  ])("is not yellow on %s", (_name, rgb) => {
    expect(readableColor(rgb)).not.toEqual([255, 255, 0]);
  });

  it("always finds one, for any image", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (rgb) => readableColor(rgb).length === 3));
  });
});
