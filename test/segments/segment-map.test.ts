import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assertSameFrame, segmentMapFromIds, segmentMapFromLabels } from "../../layers/segments/segment-map.js";
import { segmentMaps } from "./maps.js";

const invalid = expect.objectContaining({ code: "SEGMENT_MAP_INVALID" });

describe("segmentMapFromLabels", () => {
  it.each([
    [3, 2, 5],
    [0, 0, 0],
    [-2, -3, 6],
    [1.5, 4, 6],
    [Number.NaN, 1, 1],
  ])("refuses %s x %s for %s labels", (width, height, length) => {
    expect(() => segmentMapFromLabels(new Uint16Array(length), width, height, { minArea: 1 })).toThrow(invalid);
  });

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])("refuses a smallest area of %s", (minArea) => {
    expect(() => segmentMapFromLabels(new Uint16Array(4), 2, 2, { minArea })).toThrow(
      expect.objectContaining({ code: "PARAMETER_INVALID", message: expect.stringContaining(String(minArea)) }),
    );
  });

  it("takes a smallest area that is no whole number", () => {
    expect(segmentMapFromLabels(Uint16Array.from([1, 1, 2, 2, 2]), 5, 1, { minArea: 2.5 }).segments).toBe(1);
  });

  it("leaves the labels as they are", () => {
    const labels = Uint16Array.from([9, 9, 4, 9]);
    segmentMapFromLabels(labels, 2, 2, { minArea: 3 });
    expect([...labels]).toEqual([9, 9, 4, 9]);
  });
});

describe("segmentMapFromIds", () => {
  it("takes the ids of every segment map", () => {
    fc.assert(
      fc.property(segmentMaps(), (map) => {
        expect(segmentMapFromIds(map.ids, map.width, map.height)).toEqual(map);
      }),
    );
  });

  it("refuses ids with a gap, and names the missing one", () => {
    expect(() => segmentMapFromIds(Uint16Array.from([0, 1, 3, 1]), 2, 2)).toThrow("no pixel has id 2");
  });

  it("takes all 65,535 ids", () => {
    expect(
      segmentMapFromIds(
        Uint16Array.from({ length: 65_536 }, (_, i) => i),
        256,
        256,
      ).segments,
    ).toBe(65_535);
  });
});

describe("assertSameFrame", () => {
  it("wants three bytes for each pixel", () => {
    const map = segmentMapFromIds(Uint16Array.from([1, 1]), 2, 1);
    expect(() => assertSameFrame(map, new Uint8Array(6))).not.toThrow();
    expect(() => assertSameFrame(map, new Uint8Array(8))).toThrow(invalid);
  });
});
