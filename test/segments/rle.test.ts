import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type CocoRle,
  rleArea,
  rleBbox,
  rleLengths,
  rleMask,
  segmentRle,
  segmentRles,
} from "../../layers/segments/rle.js";
import type { SegmentMap } from "../../layers/segments/segment-map.js";
import { type MapCase, mapOf, readFixture } from "./formats-fixtures.js";
import { scatteredMaps, segmentMaps } from "./maps.js";
import { referenceRle } from "./rle-reference.js";

interface Measured {
  readonly counts: string;
  readonly area: number;
  readonly bbox: readonly number[];
}
interface Fixture {
  readonly maps: readonly (MapCase & { readonly segments: readonly Measured[] })[];
  readonly lengths: readonly (Measured & { readonly name: string; size: [number, number]; lengths: number[] })[];
}
const fixture = readFixture<Fixture>("rle.json");

const anyMap = fc.oneof(segmentMaps(), scatteredMaps());
const idsOf = (map: SegmentMap): number[] => Array.from({ length: map.segments }, (_, i) => i + 1);

/** As text, since comparing typed arrays item by item is slow. */
const maskText = (map: SegmentMap, id: number): string => Array.from(map.ids, (one) => (one === id ? 1 : 0)).join("");

describe("what pycocotools writes", () => {
  it.each(fixture.maps)("$name", (one) => {
    const map = mapOf(one);

    const rles = segmentRles(map);

    expect(rles.map(({ counts }) => counts)).toEqual(one.segments.map(({ counts }) => counts));
    expect(rles.map(rleArea)).toEqual(one.segments.map(({ area }) => area));
    expect(rles.map(rleBbox)).toEqual(one.segments.map(({ bbox }) => bbox));
  });

  it.each(fixture.lengths)("$name: run lengths of masks too large to be drawn", ({ size, counts, ...expected }) => {
    const rle: CocoRle = { size, counts };

    expect([...rleLengths(rle)]).toEqual(expected.lengths);
    expect(rleArea(rle)).toBe(expected.area);
    expect(rleBbox(rle)).toEqual(expected.bbox);
  });
});

describe("segmentRles", () => {
  it("equals the plain encoding of each segment, and that of one", () => {
    fc.assert(
      fc.property(anyMap, (map) => {
        const rles = segmentRles(map);
        expect(rles).toEqual(idsOf(map).map((id) => referenceRle(map, id)));
        expect(rles).toEqual(idsOf(map).map((id) => segmentRle(map, id)));
        expect(segmentRle(map, 0)).toEqual(referenceRle(map, 0));
      }),
    );
  });

  it("decodes to the segment's pixels", () => {
    fc.assert(
      fc.property(anyMap, (map) => {
        for (const [i, rle] of segmentRles(map).entries()) {
          expect(rleMask(rle).join("")).toBe(maskText(map, i + 1));
        }
      }),
    );
  });

  it("gives area and box of the segment's pixels", () => {
    fc.assert(
      fc.property(anyMap, (map) => {
        for (const [i, rle] of segmentRles(map).entries()) {
          const pixels = [...map.ids.keys()].filter((at) => map.ids[at] === i + 1);
          const xs = pixels.map((at) => at % map.width);
          const ys = pixels.map((at) => Math.floor(at / map.width));
          const [left, top] = [Math.min(...xs), Math.min(...ys)];
          expect(rleArea(rle)).toBe(pixels.length);
          expect(rleBbox(rle)).toEqual([left, top, Math.max(...xs) - left + 1, Math.max(...ys) - top + 1]);
        }
      }),
    );
  });

  it("holds a map in which every pixel begins a run, and more segments than bytes", () => {
    const [width, height, segments] = [331, 257, 700];
    const ids = Uint16Array.from({ length: width * height }, (_, i) => 1 + ((i * 263) % segments));
    const map = { width, height, segments, ids };

    const rles = segmentRles(map);

    for (const id of [1, 2, 350, 700]) expect(rles[id - 1]).toEqual(referenceRle(map, id));
    expect(rles.reduce((sum, rle) => sum + rleArea(rle), 0)).toBe(width * height);
  });

  it("takes lengths of more than four groups", () => {
    const [width, height] = [2100, 1000];
    const ids = new Uint16Array(width * height).fill(1);
    ids[width * height - 1] = 2;

    const [most, last] = segmentRles({ width, height, segments: 2, ids });

    expect([...rleLengths(most!)]).toEqual([0, width * height - 1, 1]);
    expect([...rleLengths(last!)]).toEqual([width * height - 1, 1]);
  });
});

describe("reading an RLE", () => {
  it("takes an empty mask", () => {
    const rle = segmentRle({ width: 3, height: 2, segments: 1, ids: new Uint16Array(6).fill(1) }, 7);

    expect(rle.counts).toBe("6");
    expect([rleArea(rle), rleBbox(rle), [...rleMask(rle)]]).toEqual([0, [0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]);
  });

  it.each([
    ["nothing", ""],
    ["too few pixels", "5"],
    ["too many pixels", "7"],
    ["a number that is cut short", "6P"],
    ["a negative length", "O7"],
    ["a character below", "6 "],
    ["a character above", "6p"],
    ["a character of two bytes", "6é"],
    ["a number of more than 32 bits", "PPPPPPPPP06"],
  ])("refuses %s", (_, counts) => {
    expect(() => rleMask({ size: [2, 3], counts })).toThrow(expect.objectContaining({ code: "SEGMENT_RLE_INVALID" }));
  });

  it.each([
    [0, 5],
    [2.5, 2],
    [65_536, 65_536],
  ])("refuses a size of %d x %d", (height, width) => {
    expect(() => rleArea({ size: [height, width], counts: "6" })).toThrow(
      expect.objectContaining({ code: "SEGMENT_MAP_INVALID" }),
    );
  });

  it("decodes or refuses any text, and what it decodes is whole", () => {
    const text = fc.string({ unit: fc.constantFrom(..."0123456789:;<=>?@AMNOPQRno"), maxLength: 12 });
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), (counts, height, width) => {
        const rle: CocoRle = { size: [height, width], counts };
        let lengths: number[];
        try {
          lengths = [...rleLengths(rle)];
        } catch (error) {
          expect(error).toMatchObject({ code: "SEGMENT_RLE_INVALID" });
          return;
        }
        expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(width * height);
        expect(rleMask(rle).reduce((sum, inside) => sum + inside, 0)).toBe(rleArea(rle));
      }),
      { numRuns: 400 },
    );
  });
});
