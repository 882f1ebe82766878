import { existsSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { connectLabels } from "../../layers/segments/connectivity.js";
import { NO_LABEL, type SegmentMap, segmentMapFromLabels } from "../../layers/segments/segment-map.js";
import { referenceConnectivity } from "./connectivity-reference.js";
import { asText, drawn, type LabelImage, labelImages } from "./maps.js";

const connect = ({ labels, width, height }: LabelImage, minArea: number): SegmentMap =>
  segmentMapFromLabels(labels, width, height, { minArea });

describe("connectivity, by hand", () => {
  it("splits a label whose pixels do not touch by an edge", () => {
    expect(asText(connect(drawn("ab", "ba"), 1))).toEqual(["12", "34"]);
  });

  it("joins the two arms of a U, first seen as two pieces", () => {
    expect(asText(connect(drawn("a.a", "aaa"), 1))).toEqual(["1.1", "111"]);
  });

  it("merges an orphan into the neighbour with the longest border, not into the largest", () => {
    const image = drawn("aaaaaaa", "aaaaaaa", "bbbxbbb", "bbbbbbb");
    expect(asText(connect(image, 2))).toEqual(["1111111", "1111111", "2222222", "2222222"]);
  });

  it("gives a tie to the group that comes first", () => {
    expect(asText(connect(drawn("aaxbb"), 2))).toEqual(["11122"]);
  });

  it("counts the border with a whole group, not with each of its components", () => {
    // y (1 pixel) joins a; x then shares two pairs with each of that group, c and b. By components c would win.
    const image = drawn("aaaccc", "ayxxcc", "aabbbb", "aabbbb");
    expect(asText(connect(image, 3))).toEqual(["111222", "111122", "113333", "113333"]);
  });

  it("lets orphans merge with orphans, and leaves one whose only neighbours are already its own", () => {
    // b (1 pixel) goes first and ties between a and c: a. Then a has nothing but its own group beside it.
    expect(asText(connect(drawn("aabcccc"), 4))).toEqual(["1112222"]);
  });

  it("leaves an isolated orphan a segment, and never merges into none", () => {
    expect(asText(connect(drawn("a..bbb", "...bbb"), 4))).toEqual(["1..222", "...222"]);
  });

  it("keeps every large component of one label a segment of its own", () => {
    expect(asText(connect(drawn("aabaa", "aabaa"), 2))).toEqual(["11233", "11233"]);
  });

  it("makes an image of none a map without segments", () => {
    const map = connect(drawn("..", ".."), 4);
    expect(map.segments).toBe(0);
    expect([...map.ids]).toEqual([0, 0, 0, 0]);
  });

  it("keeps a 1 x 1 image one segment whatever the smallest area", () => {
    expect([...connect(drawn("a"), 1000).ids]).toEqual([1]);
  });

  it("handles an image that is nothing but specks, with more pieces than its first tables hold", () => {
    const width = 150;
    const labels = Uint16Array.from({ length: width * width }, (_, i) => i);
    const map = segmentMapFromLabels(labels, width, width, { minArea: 2 });
    expect(map.segments).toBeLessThanOrEqual((width * width) / 2); // each speck joined at least one other
    expect(segmentMapFromLabels(labels, width, width, { minArea: 1 }).segments).toBe(width * width);
  });

  it("refuses more segments than the limit, and says what to do", () => {
    const labels = Uint16Array.from({ length: 300 * 300 }, (_, i) => (i + Math.floor(i / 300)) % 2);
    expect(() => segmentMapFromLabels(labels, 300, 300, { minArea: 0 })).toThrow(
      expect.objectContaining({ code: "SEGMENT_LIMIT", hint: expect.stringContaining("fewer superpixels") }),
    );
    expect(connectLabels(Uint16Array.from([1, 2, 3]), 3, 1, 0, NO_LABEL, 3).segments).toBe(3);
  });
});

describe("connectivity, as properties", () => {
  const cases = fc.tuple(labelImages(), fc.integer({ min: 0, max: 14 }));

  it("does what the plain reference does", () => {
    fc.assert(
      fc.property(cases, ([image, minArea]) => {
        expect([...connect(image, minArea).ids]).toEqual(referenceConnectivity(image, minArea));
      }),
      { numRuns: 400 },
    );
  });

  it("gives every pixel with a label a segment, and ids without gaps in raster order", () => {
    fc.assert(
      fc.property(cases, ([image, minArea]) => {
        const map = connect(image, minArea);
        expect([...map.ids].map((id) => id === 0)).toEqual([...image.labels].map((label) => label === NO_LABEL));
        const inOrderOfAppearance = [...new Set(map.ids)].filter((id) => id !== 0);
        expect(inOrderOfAppearance).toEqual(Array.from({ length: map.segments }, (_, i) => i + 1));
      }),
    );
  });

  it("makes each segment one 4-connected piece, and changes nothing when only connectivity is enforced again", () => {
    fc.assert(
      fc.property(cases, ([image, minArea]) => {
        const map = connect(image, minArea);
        const again = connect(asLabels(map), 1);
        expect(again.segments).toBe(map.segments);
        expect([...again.ids]).toEqual([...map.ids]);
      }),
    );
  });

  it("changes nothing when run again with the same smallest area, unless a leftover smaller than it remained", () => {
    fc.assert(
      fc.property(cases, ([image, minArea]) => {
        const map = connect(image, minArea);
        const areas = areasOf(map);
        fc.pre(areas.every((area) => area >= minArea));
        expect([...connect(asLabels(map), minArea).ids]).toEqual([...map.ids]);
      }),
    );
  });

  it("reaches a map that a further run leaves alone, in fewer runs than it has segments", () => {
    fc.assert(
      fc.property(cases, ([image, minArea]) => {
        let map = connect(image, minArea);
        for (let run = map.segments; run > 0; run--) map = connect(asLabels(map), minArea);
        expect([...connect(asLabels(map), minArea).ids]).toEqual([...map.ids]);
      }),
    );
  });

  it("never divides a component, and never merges two that are large enough", () => {
    fc.assert(
      fc.property(cases, ([image, minArea]) => {
        const pieces = connect(image, 0);
        const pieceAreas = areasOf(pieces);
        const map = connect(image, minArea);
        const segmentOf = new Map<number, number>();
        const largePiecesIn = new Map<number, Set<number>>();
        pieces.ids.forEach((piece, i) => {
          if (piece === 0) return;
          const segment = map.ids[i] ?? 0;
          expect(segmentOf.get(piece) ?? segment).toBe(segment);
          segmentOf.set(piece, segment);
          if ((pieceAreas[piece - 1] ?? 0) < minArea) return;
          largePiecesIn.set(segment, (largePiecesIn.get(segment) ?? new Set()).add(piece));
        });
        for (const large of largePiecesIn.values()) expect(large.size).toBe(1);
      }),
    );
  });
});

describe("connectivity, against the training code", () => {
  const fixture = new URL("./fixtures/connectivity.json", import.meta.url);

  it.skipIf(!existsSync(fixture))("gives the ids that Python gives, on every golden case", () => {
    const { cases } = JSON.parse(readFileSync(fixture, "utf8")) as { cases: GoldenCase[] };
    expect(cases.length).toBeGreaterThan(0);
    cases.forEach(({ width, height, minArea, labels, expected }, i) => {
      const map = segmentMapFromLabels(Uint16Array.from(labels), width, height, { minArea });
      expect([...map.ids], `case ${i}: ${width} x ${height}, minArea ${minArea}`).toEqual(expected);
    });
  });
});

interface GoldenCase {
  readonly width: number;
  readonly height: number;
  readonly minArea: number;
  readonly labels: readonly number[];
  readonly expected: readonly number[];
}

function asLabels({ ids, width, height }: SegmentMap): LabelImage {
  return { labels: ids.map((id) => (id === 0 ? NO_LABEL : id)), width, height };
}

function areasOf(map: SegmentMap): number[] {
  const areas = new Array<number>(map.segments).fill(0);
  for (const id of map.ids) if (id > 0) areas[id - 1] = (areas[id - 1] ?? 0) + 1;
  return areas;
}
