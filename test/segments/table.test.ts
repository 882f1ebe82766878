import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { segmentMapFromIds } from "../../layers/segments/segment-map.js";
import { segmentsInfo } from "../../layers/segments/segments-info.js";
import { classifiedTable, segmentTable } from "../../layers/segments/table.js";
import { segmentMapsWithPixels } from "./maps.js";

describe("segmentTable", () => {
  it("gives area, box, centroid and mean colour of each segment", () => {
    const map = segmentMapFromIds(Uint16Array.from([1, 1, 2, 0, 1, 2]), 3, 2);
    const rgb = Uint8Array.from([10, 0, 0, 20, 0, 1, 7, 8, 9, 99, 99, 99, 31, 0, 1, 8, 8, 10]);
    expect(segmentTable(map, rgb)).toEqual([
      { id: 1, area: 3, bbox: [0, 0, 2, 2], centroid: [0.67, 0.33], color: [20, 0, 1] },
      { id: 2, area: 2, bbox: [2, 0, 1, 2], centroid: [2, 0.5], color: [8, 8, 10] },
    ]);
  });

  it("agrees with plain sums over the pixels of each segment", () => {
    fc.assert(
      fc.property(segmentMapsWithPixels(), ({ map, rgb }) => {
        const rows = segmentTable(map, rgb);
        expect(rows.map((row) => row.id)).toEqual(Array.from({ length: map.segments }, (_, i) => i + 1));
        for (const row of rows) {
          const pixels = [...map.ids.keys()].filter((i) => map.ids[i] === row.id);
          const xs = pixels.map((i) => i % map.width);
          const ys = pixels.map((i) => Math.floor(i / map.width));
          const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / pixels.length;
          const channel = (c: number) => Math.round(mean(pixels.map((i) => rgb[i * 3 + c] ?? 0)));
          const [left, top] = [Math.min(...xs), Math.min(...ys)];
          expect(row.area).toBe(pixels.length);
          expect(row.bbox).toEqual([left, top, Math.max(...xs) - left + 1, Math.max(...ys) - top + 1]);
          expect(row.centroid[0]).toBeCloseTo(mean(xs), 1);
          expect(row.centroid[1]).toBeCloseTo(mean(ys), 1);
          expect(row.color).toEqual([channel(0), channel(1), channel(2)]);
        }
      }),
    );
  });

  it("has areas that sum to the pixels of any segment, and centroids inside the boxes", () => {
    fc.assert(
      fc.property(segmentMapsWithPixels(), ({ map, rgb }) => {
        const rows = segmentTable(map, rgb);
        expect(rows.reduce((sum, row) => sum + row.area, 0)).toBe(map.ids.filter((id) => id > 0).length);
        for (const { area, bbox, centroid } of rows) {
          const [x, y, width, height] = bbox;
          expect(area).toBeLessThanOrEqual(width * height);
          expect(centroid[0] >= x && centroid[0] <= x + width - 1).toBe(true);
          expect(centroid[1] >= y && centroid[1] <= y + height - 1).toBe(true);
        }
      }),
    );
  });

  it("refuses pixels of another frame", () => {
    const map = segmentMapFromIds(Uint16Array.from([1, 1]), 2, 1);
    expect(() => segmentTable(map, new Uint8Array(2))).toThrow(
      expect.objectContaining({ code: "SEGMENT_MAP_INVALID" }),
    );
  });
});

describe("segmentsInfo", () => {
  it("names things as COCO does, has no category, and always writes its keys in one order", () => {
    const row = { color: [1, 2, 3], centroid: [0.5, 0], bbox: [0, 0, 2, 1], area: 2, id: 1 } as const;
    expect(JSON.stringify(segmentsInfo([row]))).toBe(
      '[{"id":1,"area":2,"bbox":[0,0,2,1],"centroid":[0.5,0],"mean_color":[1,2,3]}]',
    );
  });
});

describe("classifiedTable", () => {
  const map = segmentMapFromIds(Uint16Array.from([1, 2]), 2, 1);
  const rgb = new Uint8Array(6);
  const cow = { categoryId: 7, isThing: true, score: 0.5 };
  const grass = { categoryId: 1, isThing: false, score: 0.25 };

  it("puts class and score beside what the map and the image tell; superpixels have none", () => {
    const plain = segmentTable(map, rgb);

    expect(classifiedTable(map, rgb, [cow, grass])).toEqual([
      { ...plain[0], ...cow },
      { ...plain[1], ...grass },
    ]);
    expect(classifiedTable(map, rgb, undefined)).toEqual(plain);
  });

  it("refuses more classes than segments", () => {
    expect(() => classifiedTable(map, rgb, [cow, grass, cow])).toThrow(
      expect.objectContaining({ code: "SEGMENT_MAP_INVALID" }),
    );
  });
});
