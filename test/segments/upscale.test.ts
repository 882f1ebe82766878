import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { segmentMapFromIds } from "../../layers/segments/segment-map.js";
import { type Size, smoothLabels, upscaleLabels, upscaleSegmentMap } from "../../layers/segments/upscale.js";
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

describe("smoothLabels", () => {
  it("makes a staircase of single pixels of one of large steps", () => {
    const labels = Uint16Array.from([1, 2, 2, 2, 1, 1, 2, 2, 1, 1, 1, 2, 1, 1, 1, 1]);

    const large = smoothLabels(labels, { width: 4, height: 4 }, { width: 12, height: 12 });

    const ones = Array.from({ length: 12 }, (_, y) => large.subarray(y * 12, y * 12 + 12).indexOf(2));
    expect(ones).toEqual([3, 3, 4, 5, 6, 7, 8, 9, 10, -1, -1, -1]);
  });

  it("takes the label with the most weight of the four that bilinear interpolation mixes, ties to the first", () => {
    const side = fc.integer({ min: 1, max: 7 });
    const sizes = fc.record({ width: side, height: side });
    const larger = fc.record({ width: fc.integer({ min: 1, max: 20 }), height: fc.integer({ min: 1, max: 20 }) });
    fc.assert(
      fc.property(sizes, larger, fc.infiniteStream(fc.integer({ min: 0, max: 3 })), (from, to, stream) => {
        const labels = Uint16Array.from({ length: from.width * from.height }, () => stream.next().value ?? 0);

        const scaled = smoothLabels(labels, from, to);

        for (const [i, label] of scaled.entries()) {
          expect(label).toBe(heaviest(labels, from, to, i % to.width, Math.floor(i / to.width)));
        }
      }),
    );
  });

  it("leaves labels of the same size as they are", () => {
    const labels = Uint16Array.from([5, 6, 65_535, 5, 0, 1]);

    expect(smoothLabels(labels, { width: 3, height: 2 }, { width: 3, height: 2 })).toEqual(labels);
  });
});

/** By fractions: bigints, as a tie must be one here, too. */
function heaviest(labels: Uint16Array, from: Size, to: Size, x: number, y: number): number {
  const corners = (place: number, old: number, size: number): [number, bigint][] => {
    const at = BigInt((2 * place + 1) * old - size); // in parts of 2 size
    const parts = BigInt(2 * size);
    const before = at < 0n ? -1n : at / parts;
    const clamp = (index: bigint) => Math.min(Math.max(Number(index), 0), old - 1);
    return [
      [clamp(before), parts - (at - before * parts)],
      [clamp(before + 1n), at - before * parts],
    ];
  };
  const weights = new Map<number, bigint>();
  for (const [row, high] of corners(y, from.height, to.height)) {
    for (const [column, wide] of corners(x, from.width, to.width)) {
      const label = labels[row * from.width + column]!;
      weights.set(label, (weights.get(label) ?? 0n) + high * wide);
    }
  }
  const most = [...weights.values()].reduce((a, b) => (b > a ? b : a));
  return [...weights].find(([, weight]) => weight === most)![0];
}
