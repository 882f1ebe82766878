import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Polygon, type Ring, ringArea, segmentPolygons } from "../../layers/segments/polygons.js";
import { type SegmentMap, segmentMapFromLabels } from "../../layers/segments/segment-map.js";
import { drawn, scatteredMaps, segmentMaps } from "./maps.js";

const anyMap = fc.oneof(segmentMaps(), scatteredMaps());

/** One character a pixel, 1 where the centre lies inside an odd number of the rings. (Comparing typed arrays is slow.) */
function rasterised(rings: readonly Ring[], { width, height }: SegmentMap): string {
  const mask = new Uint8Array(width * height);
  for (const ring of rings) {
    for (const [[x, y], [, nextY]] of sides(ring)) {
      // An upright side turns all pixels right of it over.
      for (let row = Math.min(y, nextY); row < Math.max(y, nextY); row++) {
        for (let right = x; right < width; right++) mask[row * width + right]! ^= 1;
      }
    }
  }
  return mask.join("");
}

type Corner = readonly [x: number, y: number];

function cornersOf(ring: Ring): Corner[] {
  return Array.from({ length: ring.length / 2 }, (_, i) => [ring[2 * i]!, ring[2 * i + 1]!]);
}

function sides(ring: Ring): [Corner, Corner][] {
  const corners = cornersOf(ring);
  return corners.map((corner, i) => [corner, corners[(i + 1) % corners.length]!]);
}

const ringsOf = (polygons: readonly Polygon[]): Ring[] =>
  polygons.flatMap(({ exterior, holes }) => [exterior, ...holes]);
const maskOf = (map: SegmentMap, id: number): string => Array.from(map.ids, (one) => (one === id ? 1 : 0)).join("");

/** The polygons of the only segment of a drawing, as lists of corners. */
function outlined(...lines: string[]): { exterior: Corner[]; holes: Corner[][] }[] {
  const { labels, width, height } = drawn(...lines);
  const ids = labels.map((label) => (label === "a".charCodeAt(0) ? 1 : 0));
  const [polygons] = segmentPolygons({ width, height, segments: 1, ids });
  return polygons!.map(({ exterior, holes }) => ({ exterior: cornersOf(exterior), holes: holes.map(cornersOf) }));
}

describe("segmentPolygons, by hand", () => {
  it("walks around a pixel, counter-clockwise by the numbers", () => {
    expect(outlined("...", ".a.")).toEqual([
      {
        exterior: [
          [1, 1],
          [2, 1],
          [2, 2],
          [1, 2],
        ],
        holes: [],
      },
    ]);
  });

  it("leaves out corners on straight lines", () => {
    expect(outlined("aaa", "aaa")).toEqual([
      {
        exterior: [
          [0, 0],
          [3, 0],
          [3, 2],
          [0, 2],
        ],
        holes: [],
      },
    ]);
  });

  it("walks around a hole the other way", () => {
    expect(outlined("aaa", "a.a", "aaa")).toEqual([
      {
        exterior: [
          [0, 0],
          [3, 0],
          [3, 3],
          [0, 3],
        ],
        holes: [
          [
            [1, 1],
            [1, 2],
            [2, 2],
            [2, 1],
          ],
        ],
      },
    ]);
  });

  it("makes a hole of what touches the outside by a corner only", () => {
    expect(outlined("aaa", "a.a", "aa.")).toEqual([
      {
        exterior: [
          [0, 0],
          [3, 0],
          [3, 2],
          [2, 2],
          [2, 3],
          [0, 3],
        ],
        holes: [
          [
            [1, 1],
            [1, 2],
            [2, 2],
            [2, 1],
          ],
        ],
      },
    ]);
  });

  it("makes two polygons of what touches by a corner only", () => {
    expect(outlined("a.", ".a").map(({ exterior }) => exterior[0])).toEqual([
      [0, 0],
      [1, 1],
    ]);
  });

  it("knows in which piece a hole lies", () => {
    const found = outlined("aaaaaaa", "a.....a", "a.aaa.a", "a.a.a.a", "a.aaa.a", "a.....a", "aaaaaaa");

    expect(found.map(({ exterior, holes }) => [exterior[0], holes.map(([first]) => first)])).toEqual([
      [[0, 0], [[1, 1]]],
      [[2, 2], [[3, 3]]],
    ]);
  });
});

describe("segmentPolygons, of any map", () => {
  it("gives back the segments when its polygons are rasterised", () => {
    fc.assert(
      fc.property(anyMap, (map) => {
        const all = segmentPolygons(map);
        expect(all).toHaveLength(map.segments);
        for (const [i, polygons] of all.entries()) expect(rasterised(ringsOf(polygons), map)).toBe(maskOf(map, i + 1));
      }),
    );
  });

  it("has a polygon for each connected piece, in raster order, each with its own holes", () => {
    fc.assert(
      fc.property(anyMap, (map) => {
        for (const [i, polygons] of segmentPolygons(map).entries()) {
          const alone = map.ids.map((id) => (id === i + 1 ? 1 : 65_535));
          const pieces = segmentMapFromLabels(alone, map.width, map.height, { minArea: 0 });
          expect(polygons).toHaveLength(pieces.segments);
          for (const [p, polygon] of polygons.entries()) {
            expect(rasterised(ringsOf([polygon]), map)).toBe(maskOf(pieces, p + 1));
          }
        }
      }),
    );
  });

  it("has areas by the shoelace formula that are the counts of pixels", () => {
    fc.assert(
      fc.property(anyMap, (map) => {
        for (const [i, polygons] of segmentPolygons(map).entries()) {
          for (const { exterior, holes } of polygons) {
            expect(ringArea(exterior)).toBeGreaterThan(0);
            for (const hole of holes) expect(ringArea(hole)).toBeLessThan(0);
          }
          const sum = ringsOf(polygons).reduce((total, ring) => total + ringArea(ring), 0);
          expect(sum).toBe(map.ids.filter((id) => id === i + 1).length);
        }
      }),
    );
  });

  it("has simple rings of real corners, which begin at the topmost, then leftmost", () => {
    fc.assert(
      fc.property(anyMap, (map) => {
        for (const ring of segmentPolygons(map).flatMap(ringsOf)) {
          const corners = cornersOf(ring);
          expect(new Set(corners.map(String)).size).toBe(corners.length);
          expect(corners.toSorted((a, b) => a[1] - b[1] || a[0] - b[0])[0]).toEqual(corners[0]);
          const upright = sides(ring).map(([[x, y], [nextX, nextY]]) => {
            expect((x === nextX) !== (y === nextY)).toBe(true);
            return x === nextX;
          });
          for (const [i, one] of upright.entries()) expect(one).toBe(!upright.at(i - 1));
        }
      }),
    );
  });

  it("takes a map of noise in linear time", () => {
    const [width, height] = [400, 300];
    const ids = Uint16Array.from({ length: width * height }, (_, i) => 1 + (Math.imul(i + 1, 2_654_435_761) >>> 31));
    const map = { width, height, segments: 2, ids };

    const [first] = segmentPolygons(map);

    const rings = ringsOf(first!);
    expect(first!.length).toBeGreaterThan(1000);
    expect(rings.reduce((sum, ring) => sum + ringArea(ring), 0)).toBe(ids.filter((id) => id === 1).length);
  });
});
