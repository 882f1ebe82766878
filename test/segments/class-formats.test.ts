import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  classedSegments,
  exportedCategories,
  isBackground,
  objectCategories,
  superpixelCategory,
} from "../../layers/segments/categories.js";
import { cocoInstances, cocoPolygonInstances } from "../../layers/segments/coco.js";
import { cocoPanoptic, panopticPixels } from "../../layers/segments/coco-panoptic.js";
import { segmentsFromCsv, segmentsToCsv } from "../../layers/segments/csv.js";
import { segmentsToGeoJson } from "../../layers/segments/geojson.js";
import { rleMask } from "../../layers/segments/rle.js";
import { segmentsInfo } from "../../layers/segments/segments-info.js";
import { segmentTable } from "../../layers/segments/table.js";
import { yoloDataset, yoloLabels } from "../../layers/segments/yolo.js";
import { classedMaps, objectsOf, pixelsOf, someCategories } from "./classed-maps.js";
import { segmentMapsWithPixels } from "./maps.js";
import { filledByOdd, filledByWinding } from "./raster.js";

const stranger = (rows: readonly object[]) => rows.map((row) => ({ ...row, categoryId: 99 }));
const invalid = expect.objectContaining({ code: "SEGMENT_MAP_INVALID" });

describe("classes", () => {
  it("are sorted by id, and one stands in for those that superpixels have not", () => {
    expect(exportedCategories([...someCategories].reverse())).toEqual(someCategories);
    expect(exportedCategories([])).toEqual([superpixelCategory]);
    expect(objectCategories(someCategories).map(({ id }) => id)).toEqual([2, 3, 15, 16]);
  });

  it("are the background only as stuff of that name with id 0", () => {
    const background = someCategories[0]!;
    expect(isBackground(background)).toBe(true);
    expect(isBackground({ ...background, id: 1 })).toBe(false);
    expect(isBackground({ ...background, isthing: true })).toBe(false);
    expect(isBackground({ ...background, name: "sky" })).toBe(false);
  });

  it("are refused when a segment has another one, or none", () => {
    const row = { id: 1, area: 1, bbox: [0, 0, 1, 1], centroid: [0, 0], color: [0, 0, 0] } as const;
    expect(() => classedSegments([{ ...row, categoryId: 7 }], someCategories)).toThrow("class 7");
    expect(() => classedSegments([row], someCategories)).toThrow("no class");
  });
});

describe("COCO instances with classes", () => {
  it("have an annotation for each segment but those of the background, with class and score", () => {
    fc.assert(
      fc.property(classedMaps(), (given) => {
        const { map, rows, categories } = given;
        const coco = cocoInstances(map, rows, "a.jpg", categories);
        expect(coco.categories.map(({ id }) => id)).toEqual([2, 3, 15, 16]);
        expect(coco.categories[0]).toEqual({ id: 2, name: "traffic light", supercategory: "thing" });
        expect(coco.annotations.map(({ segmentation, ...rest }) => rest)).toEqual(
          objectsOf(given).map(({ row: { id, area, bbox, score }, category }) => {
            return { id, image_id: 1, category_id: category.id, area, bbox, iscrowd: 0, score };
          }),
        );
        for (const { id, segmentation } of coco.annotations) {
          expect(rleMask(segmentation).join("")).toBe(pixelsOf(map, id));
        }
      }),
    );
  });

  it("have polygons that hold the segment's pixels, piece by piece, whichever way they are filled", () => {
    fc.assert(
      fc.property(classedMaps(), ({ map, rows, categories }) => {
        const { annotations, ...rest } = cocoPolygonInstances(map, rows, "a.jpg", categories);
        const { annotations: rle, ...other } = cocoInstances(map, rows, "a.jpg", categories);
        expect(rest).toEqual(other);
        expect(annotations.map(({ segmentation, ...about }) => about)).toEqual(
          rle.map(({ segmentation, ...about }) => about),
        );
        for (const { id, segmentation } of annotations) {
          for (const piece of segmentation) expect(piece.length).toBeGreaterThanOrEqual(8);
          expect(filledByOdd(segmentation, map).join("")).toBe(pixelsOf(map, id));
          expect(filledByWinding(segmentation, map).join("")).toBe(pixelsOf(map, id));
        }
      }),
    );
  });

  it("begin at class 1, where another class than the background has id 0", () => {
    const map = { width: 2, height: 1, segments: 2, ids: Uint16Array.of(1, 2) };
    const street = [
      { id: 0, name: "sky", isthing: false, color: [0, 0, 0] },
      { id: 1, name: "road", isthing: false, color: [9, 9, 9] },
    ] as const;
    const rows = segmentTable(map, new Uint8Array(6)).map((row, i) => ({ ...row, categoryId: i, isThing: false }));
    const { annotations, categories } = cocoInstances(map, rows, "a.jpg", street);
    const panoptic = cocoPanoptic(map, rows, "a.jpg", "a.png", street);
    expect(annotations.map(({ category_id }) => category_id)).toEqual([1, 2]);
    expect(categories.map(({ id, name }) => [id, name])).toEqual([
      [1, "sky"],
      [2, "road"],
    ]);
    expect(panoptic.annotations[0]!.segments_info.map(({ category_id }) => category_id)).toEqual([1, 2]);
    expect(panoptic.categories.map(({ id }) => id)).toEqual([1, 2]);
  });

  it("refuse a segment whose class is none of the result's", () => {
    const map = { width: 1, height: 1, segments: 1, ids: Uint16Array.of(1) };
    const rows = stranger(segmentTable(map, new Uint8Array(3))) as never;
    expect(() => cocoInstances(map, rows, "a.jpg", someCategories)).toThrow(invalid);
  });
});

describe("COCO panoptic", () => {
  it("has the id of each pixel in red + 256 green + 256^2 blue, and each segment in segments_info", () => {
    fc.assert(
      fc.property(classedMaps(), ({ map, rows, categories }) => {
        const rgb = panopticPixels(map);
        const ids = map.ids.map((_, i) => rgb[3 * i]! + 256 * rgb[3 * i + 1]! + 65_536 * rgb[3 * i + 2]!);
        expect(ids.join()).toBe(map.ids.join());
        const { images, annotations, categories: written } = cocoPanoptic(map, rows, "a.jpg", "a.png", categories);
        expect(images).toEqual([{ id: 1, width: map.width, height: map.height, file_name: "a.jpg" }]);
        expect(annotations).toEqual([
          {
            image_id: 1,
            file_name: "a.png",
            segments_info: rows.map(({ id, area, bbox, categoryId, score }) => {
              return { id, category_id: categoryId, area, bbox, iscrowd: 0, score };
            }),
          },
        ]);
        expect(written.map(({ id, isthing }) => [id, isthing])).toEqual([
          [0, 0],
          [2, 1],
          [3, 0],
          [15, 1],
          [16, 0],
        ]);
      }),
    );
  });

  it("holds ids above 255 in green, and counts superpixels as things, as they are many of one class", () => {
    const ids = Uint16Array.from({ length: 600 }, (_, i) => i);
    const map = { width: 600, height: 1, segments: 599, ids };
    expect([...panopticPixels(map).subarray(3 * 599)]).toEqual([87, 2, 0]);
    const { categories, annotations } = cocoPanoptic(map, segmentTable(map, new Uint8Array(1800)), "a", "b");
    expect(categories).toMatchObject([{ id: 1, name: "superpixel", isthing: 1 }]);
    expect(annotations[0]!.segments_info).toHaveLength(599);
  });
});

describe("YOLO's labels", () => {
  it("are a line for each object: its class's index, and a ring that holds its pixels", () => {
    fc.assert(
      fc.property(classedMaps(), (given) => {
        const { map, rows, categories } = given;
        const text = yoloLabels(map, rows, categories);
        const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n");
        const objects = objectsOf(given);
        expect(lines).toHaveLength(objects.length);
        for (const [i, line] of lines.entries()) {
          const [index, ...parts] = line.split(" ").map(Number);
          expect(objectCategories(categories)[index!]).toEqual(objects[i]!.category);
          expect(parts.every((part) => part >= 0 && part <= 1)).toBe(true);
          const ring = parts.map((part, n) => Math.round(part * (n % 2 === 0 ? map.width : map.height)));
          expect(filledByOdd([ring], map).join("")).toBe(pixelsOf(map, objects[i]!.row.id));
        }
      }),
    );
  });

  it("round to less than half a pixel, also in large images", () => {
    const width = 60_000;
    const ids = Uint16Array.from({ length: width }, (_, i) => (i >= 12_345 && i < 23_457 ? 1 : 0));
    const map = { width, height: 1, segments: 1, ids };
    const [, ...parts] = yoloLabels(map, segmentTable(map, new Uint8Array(3 * width)))
      .split(" ")
      .map(Number);
    expect(parts.map((part, n) => Math.round(part * (n % 2 === 0 ? width : 1)))).toEqual([
      12_345, 0, 23_457, 0, 23_457, 1, 12_345, 1,
    ]);
  });

  it("name the classes in the order of their indices, in YAML", () => {
    expect(yoloDataset(someCategories)).toBe(
      '# Results have no split: both are all images. Set some apart for val before figures of it are believed.\ntrain: images\nval: images\nnames:\n  0: "traffic light"\n  1: "sky & \\"air\\" <1>"\n  2: "person"\n  3: "grass"\n',
    );
    expect(yoloDataset()).toMatch(/^train: images\nval: images\nnames:\n {2}0: "superpixel"\n$/m);
  });
});

describe("tables with classes", () => {
  it("are read back from CSV as they were, and superpixels' are without the columns", () => {
    fc.assert(
      fc.property(classedMaps(), fc.string(), ({ rows, categories }, image) => {
        const names = new Map(categories.map(({ id, name }) => [id, name]));
        expect(segmentsFromCsv(segmentsToCsv(rows, { image, categories }))).toEqual(
          rows.map((row) => ({ image, ...row, category: names.get(row.categoryId!) })),
        );
      }),
    );
    expect(segmentsToCsv([]).trimEnd()).toMatch(/,blue$/);
  });

  it("are read from a spreadsheet that writes TRUE, and refused when a field is none", () => {
    const head = "id,area,x,y,width,height,centroid_x,centroid_y,red,green,blue,category_id,category,isthing,score";
    const line = "1,6,0,1,3,2,1,1.5,255,0,7,15,person";
    expect(segmentsFromCsv(`${head}\r\n${line},TRUE,0.5\r\n`)).toMatchObject([
      { categoryId: 15, category: "person", isThing: true, score: 0.5 },
    ]);
    expect(segmentsFromCsv(`${head}\n${line},false,\n`)[0]).not.toHaveProperty("score");
    for (const end of ["yes,0.5", "true,high", "true"]) {
      expect(() => segmentsFromCsv(`${head}\n${line},${end}\n`)).toThrow(
        expect.objectContaining({ code: "SEGMENT_CSV_INVALID", message: expect.stringMatching(/^Line 2 /) }),
      );
    }
  });

  it("put class and score among GeoJSON's properties", () => {
    fc.assert(
      fc.property(classedMaps(), ({ map, rows, categories }) => {
        const { features } = JSON.parse(segmentsToGeoJson(map, rows, "a.jpg", categories)) as {
          features: { properties: object; geometry: object }[];
        };
        const plain = JSON.parse(segmentsToGeoJson(map, rows, "a.jpg"));
        expect(features).toEqual(
          plain.features.map((feature: { properties: object }, i: number) => {
            const { categoryId, isThing, score } = rows[i]!;
            const { name } = categories.find(({ id }) => id === categoryId)!;
            const kind = { category_id: categoryId, category: name, isthing: isThing, score };
            return { ...feature, properties: { ...feature.properties, ...kind } };
          }),
        );
      }),
    );
  });

  it("have COCO's names in segments_info, in one order, and nothing that superpixels have not", () => {
    const row = { color: [1, 2, 3], centroid: [0.5, 0], bbox: [0, 0, 2, 1], area: 2, id: 1 } as const;
    expect(JSON.stringify(segmentsInfo([{ ...row, score: 0.9, isThing: true, categoryId: 15 }]))).toBe(
      '[{"id":1,"category_id":15,"isthing":true,"score":0.9,"area":2,"bbox":[0,0,2,1],"centroid":[0.5,0],"mean_color":[1,2,3]}]',
    );
    fc.assert(
      fc.property(segmentMapsWithPixels(), ({ map, rgb }) => {
        for (const info of segmentsInfo(segmentTable(map, rgb))) {
          expect(Object.keys(info)).toEqual(["id", "area", "bbox", "centroid", "mean_color"]);
        }
      }),
    );
  });
});
