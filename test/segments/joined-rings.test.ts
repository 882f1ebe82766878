import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { joinedPieces, withoutHoles } from "../../layers/segments/joined-rings.js";
import { type Ring, ringArea, segmentPolygons } from "../../layers/segments/polygons.js";
import type { SegmentMap } from "../../layers/segments/segment-map.js";
import { drawn, scatteredMaps, segmentMaps } from "./maps.js";
import { filledByOdd, filledByWinding } from "./raster.js";

const anyMap = fc.oneof(segmentMaps(), scatteredMaps());
const segmentsOf = (map: SegmentMap) => segmentPolygons(map).map((pieces, i) => ({ id: i + 1, pieces }));
const pixelsOf = (map: SegmentMap, id: number) => map.ids.map((one) => (one === id ? 1 : 0)).join("");
const mapOf = (...lines: string[]): SegmentMap => {
  const { labels, width, height } = drawn(...lines);
  return { width, height, segments: 1, ids: labels.map((label) => (label === 65_535 ? 0 : 1)) };
};
const list = (ring: Ring) => [...ring];

describe("withoutHoles", () => {
  it("leaves a polygon without holes as it is", () => {
    const [[piece] = []] = segmentPolygons(mapOf("aa", "aa"));
    expect(withoutHoles(piece!)).toBe(piece!.exterior);
  });

  it("cuts straight up from the hole, there and back", () => {
    const [[piece] = []] = segmentPolygons(mapOf("aaaa", "aaaa", "aa.a", "aaaa"));
    // Along the top to the cut at x = 2, down to the hole, around it, back up, and on.
    expect(list(withoutHoles(piece!))).toEqual(
      [
        [0, 0],
        [2, 0],
        [2, 2],
        [2, 3],
        [3, 3],
        [3, 2],
        [2, 2],
        [2, 0],
        [4, 0],
        [4, 4],
        [0, 4],
      ].flat(),
    );
  });

  it("needs no cut where a hole touches the outside by a corner", () => {
    const [[piece] = []] = segmentPolygons(mapOf(".aaa", "a.aa", "aaaa"));
    expect(list(withoutHoles(piece!))).toEqual(
      [
        [1, 0],
        [4, 0],
        [4, 3],
        [0, 3],
        [0, 1],
        [1, 1],
        [1, 2],
        [2, 2],
        [2, 1],
        [1, 1],
      ].flat(),
    );
  });

  it("hangs holes on holes, however many", () => {
    const holes = 3000;
    const lines = Array.from({ length: 2 * holes + 1 }, (_, y) => (y % 2 === 0 ? "aaa" : "a.a"));
    const map = mapOf(...lines);
    const [[piece] = []] = segmentPolygons(map);
    const ring = withoutHoles(piece!);
    expect(piece!.holes).toHaveLength(holes);
    expect(ringArea(ring)).toBe(3 * (2 * holes + 1) - holes);
  });

  it("encloses the same pixels and no others, by either rule of filling, for any map", () => {
    fc.assert(
      fc.property(anyMap, (map) => {
        for (const { id, pieces } of segmentsOf(map)) {
          const rings = pieces.map(withoutHoles);
          expect(filledByOdd(rings, map).join("")).toBe(pixelsOf(map, id));
          expect(filledByWinding(rings, map).join("")).toBe(pixelsOf(map, id));
          const area = pieces
            .flatMap(({ exterior, holes }) => [exterior, ...holes])
            .reduce((a, r) => a + ringArea(r), 0);
          expect(rings.reduce((sum, ring) => sum + ringArea(ring), 0)).toBe(area);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("moves along pixel edges only, and never stands still", () => {
    fc.assert(
      fc.property(anyMap, (map) => {
        for (const { pieces } of segmentsOf(map)) {
          for (const ring of pieces.map(withoutHoles)) {
            for (let i = 0; i < ring.length; i += 2) {
              const next = (i + 2) % ring.length;
              const [across, down] = [ring[next]! - ring[i]!, ring[next + 1]! - ring[i + 1]!];
              expect((across === 0) !== (down === 0)).toBe(true);
            }
          }
        }
      }),
    );
  });
});

describe("joinedPieces", () => {
  it("joins pieces where they are nearest", () => {
    const [pieces = []] = segmentPolygons(mapOf("aa..", "aa..", "...a"));
    expect(list(joinedPieces(pieces))).toEqual(
      [
        [0, 0],
        [2, 0],
        [2, 2],
        [3, 2],
        [4, 2],
        [4, 3],
        [3, 3],
        [3, 2],
        [2, 2],
        [0, 2],
      ].flat(),
    );
  });

  it("encloses the same pixels and no others, by either rule of filling, for any map", () => {
    fc.assert(
      fc.property(anyMap, (map) => {
        for (const { id, pieces } of segmentsOf(map)) {
          const ring = joinedPieces(pieces);
          expect(filledByOdd([ring], map).join("")).toBe(pixelsOf(map, id));
          expect(filledByWinding([ring], map).join("")).toBe(pixelsOf(map, id));
        }
      }),
      { numRuns: 300 },
    );
  });

  it("finds the nearest corners of all pairs", () => {
    fc.assert(
      fc.property(scatteredMaps(), (map) => {
        for (const { pieces } of segmentsOf(map)) {
          const plain = pieces.slice(0, 2).map(({ exterior }) => ({ exterior, holes: [] }));
          if (plain.length < 2) continue;
          const [a, b] = plain.map(({ exterior }) => exterior);
          const gap = Math.min(
            ...corners(a!).flatMap(([x, y]) => corners(b!).map(([u, v]) => (x - u) ** 2 + (y - v) ** 2)),
          );
          const joined = corners(joinedPieces(plain));
          const own = edgesOf(a!).concat(edgesOf(b!));
          const cuts = joined
            .map((from, i) => [from, joined[(i + 1) % joined.length]!] as const)
            .filter((edge) => !own.includes(nameOf(edge)))
            .map(([[x, y], [u, v]]) => (x - u) ** 2 + (y - v) ** 2);
          expect(cuts).toEqual(gap === 0 ? [] : [gap, gap]);
        }
      }),
      { numRuns: 300 },
    );
  });
});

type Corner = readonly [x: number, y: number];
const corners = (ring: Ring): Corner[] =>
  Array.from({ length: ring.length / 2 }, (_, i) => [ring[2 * i]!, ring[2 * i + 1]!] as const);
const nameOf = ([a, b]: readonly [Corner, Corner]) => `${a.join()} ${b.join()}`;
const edgesOf = (ring: Ring): string[] => {
  const own = corners(ring);
  return own.map((from, i) => nameOf([from, own[(i + 1) % own.length]!]));
};
