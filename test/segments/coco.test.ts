import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cocoInstances } from "../../layers/segments/coco.js";
import { rleArea, rleBbox, rleMask } from "../../layers/segments/rle.js";
import { segmentTable } from "../../layers/segments/table.js";
import { mapOf, readFixture, rowsOf, type TextCase } from "./formats-fixtures.js";
import { segmentMapsWithPixels } from "./maps.js";

describe("cocoInstances", () => {
  it.each(readFixture<{ cases: TextCase[] }>("coco.json").cases)(
    "is, to the byte, the file that pycocotools loads in training's tests: $name",
    ({ file_name, text, ...one }) => {
      const map = mapOf(one);

      expect(`${JSON.stringify(cocoInstances(map, rowsOf(map), file_name))}\n`).toBe(text);
    },
  );

  it("has an annotation for each segment, whose area and box are those of its RLE", () => {
    fc.assert(
      fc.property(segmentMapsWithPixels(), ({ map, rgb }) => {
        const { images, annotations, categories } = cocoInstances(map, segmentTable(map, rgb), "a.jpg");
        expect(images).toEqual([{ id: 1, width: map.width, height: map.height, file_name: "a.jpg" }]);
        expect(categories).toEqual([{ id: 1, name: "superpixel", supercategory: "superpixel" }]);
        expect(annotations).toHaveLength(map.segments);
        const covered = new Uint16Array(map.ids.length);
        for (const { id, area, bbox, segmentation, ...rest } of annotations) {
          expect(rest).toEqual({ image_id: 1, category_id: 1, iscrowd: 0 });
          expect([area, bbox]).toEqual([rleArea(segmentation), rleBbox(segmentation)]);
          for (const [i, inside] of rleMask(segmentation).entries()) if (inside === 1) covered[i] = id;
        }
        expect(covered.join()).toBe(map.ids.join());
      }),
    );
  });

  it("refuses the table of another map", () => {
    const map = mapOf({ name: "", width: 2, height: 1, ids: [1, 2] });

    expect(() => cocoInstances(map, rowsOf(map).slice(1), "a.jpg")).toThrow(
      expect.objectContaining({ code: "SEGMENT_MAP_INVALID" }),
    );
  });
});
