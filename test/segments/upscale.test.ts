import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { segmentMapFromIds } from "../../layers/segments/segment-map.js";
import { upscaleLabels, upscaleSegmentMap } from "../../layers/segments/upscale.js";
import { segmentMaps } from "./maps.js";

describe("upscaleSegmentMap", () => {
  it("repeats pixels evenly for a whole factor", () => {
    const map = segmentMapFromIds(Uint16Array.from([1, 2, 3, 4]), 2, 2);
    const ids = [...upscaleSegmentMap(map, { width: 4, height: 4 }).ids];
    expect(ids).toEqual([1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]);
  });

  it("is symmetric for an odd factor", () => {
    const labels = upscaleLabels(Uint16Array.from([7, 8, 9]), { width: 3, height: 1 }, { width: 5, height: 1 });
    expect([...labels]).toEqual([7, 7, 8, 9, 9]);
  });

  it("gives each pixel the id under its centre, and keeps every segment", () => {
    const growth = fc.integer({ min: 0, max: 17 });
    fc.assert(
      fc.property(segmentMaps(), growth, growth, (map, wider, higher) => {
        const to = { width: map.width + wider, height: map.height + higher };
        const large = upscaleSegmentMap(map, to);
        expect(segmentMapFromIds(large.ids, to.width, to.height).segments).toBe(map.segments);
        large.ids.forEach((id, i) => {
          const x = Math.floor((((i % to.width) + 0.5) * map.width) / to.width);
          const y = Math.floor(((Math.floor(i / to.width) + 0.5) * map.height) / to.height);
          expect(id).toBe(map.ids[y * map.width + x]);
        });
      }),
    );
  });

  it("changes nothing at the same size", () => {
    fc.assert(
      fc.property(segmentMaps(), (map) => {
        expect(upscaleSegmentMap(map, map)).toEqual(map);
      }),
    );
  });

  it.each([
    { width: 1, height: 2 },
    { width: 2, height: 1 },
    { width: 2.5, height: 2 },
    { width: Number.NaN, height: 2 },
  ])("refuses %o for a frame of 2 x 2", (to) => {
    expect(() => upscaleLabels(new Uint16Array(4), { width: 2, height: 2 }, to)).toThrow(
      expect.objectContaining({ code: "PARAMETER_INVALID" }),
    );
  });
});
