import { describe, expect, test } from "vitest";
import { decodeIds } from "../../layers/model/encode.js";
import { sharp } from "../../layers/model/libvips.js";
import {
  asFormats,
  assertClassless,
  type ResultFormat,
  type ResultParts,
  resultFiles,
  resultFormats,
} from "../../layers/model/result-files.js";
import { isResultFileName } from "../../layers/pipeline/keys.js";
import { cocoInstances, cocoPolygonInstances } from "../../layers/segments/coco.js";
import { cocoPanoptic, panopticPixels } from "../../layers/segments/coco-panoptic.js";
import { segmentsToCsv } from "../../layers/segments/csv.js";
import { segmentsToGeoJson } from "../../layers/segments/geojson.js";
import { overlayBoundaries, overlaySegments } from "../../layers/segments/overlay.js";
import { vocColors } from "../../layers/segments/palette.js";
import { segmentColors } from "../../layers/segments/segment-colors.js";
import { segmentTable } from "../../layers/segments/table.js";
import { vocClassMask } from "../../layers/segments/voc.js";
import { yoloLabels } from "../../layers/segments/yolo.js";
import { drawnMap, drawnPicture, drawnSets } from "../pipeline/drawn-results.js";
import { sameBytes } from "./pictures.js";

const all = new Set(Object.keys(resultFormats) as ResultFormat[]);
const { task, categories, legend, images } = drawnSets.panoptic;
const { map, characters } = drawnMap(images["a/b.jpg"]);
const { rgb } = await drawnPicture(map);
const plainRows = segmentTable(map, rgb);
const rows = plainRows.map((row, i) => {
  const [categoryId, score] = legend[characters[i] as keyof typeof legend];
  return { ...row, categoryId, isThing: categoryId === 2 || categoryId === 15, score };
});
const steps = {
  steps: 2,
  width: 3,
  height: 2,
  frames: Uint16Array.of(0, 1, 2, 65_535, 4, 5, 300, 7, 8, 9, 10, 11),
  seeds: [[0.5, 0.25], undefined] as const,
  clusters: [{ categoryId: 15, score: 0.5 }, undefined],
};
const classed: ResultParts = { map, image: { data: rgb }, rows, name: "a/b.jpg", classes: { task, categories }, steps };
const plain: ResultParts = { map, image: { data: rgb }, rows: plainRows, name: "a/b.jpg" };
const text = (bytes?: Uint8Array) => new TextDecoder().decode(bytes);
const pixels = async (png?: Uint8Array) => new Uint8Array(await sharp(png!).raw().toBuffer());

describe("the files of a result with classes", async () => {
  const files = await resultFiles(all, classed);

  test("are those that the formats say, in their order, and may all be published", () => {
    const names = ["segments.png", ...Object.values(resultFormats).flat()];
    expect([...files.keys()]).toEqual(names);
    expect(names.every(isResultFileName)).toBe(true);
    expect(new Set(names).size).toBe(names.length);
  });

  test("hold what each format is to hold", async () => {
    const json = (name: string) => JSON.parse(text(files.get(name)));
    const name = "a/b.jpg";
    expect(sameBytes((await decodeIds(files.get("segments.png")!)).ids, map.ids)).toBe(true);
    expect(json("segments.coco.json")).toEqual(cocoInstances(map, rows, name, categories));
    expect(json("polygons.coco.json")).toEqual(cocoPolygonInstances(map, rows, name, categories));
    expect(json("panoptic.json")).toEqual(cocoPanoptic(map, rows, name, "panoptic.png", categories));
    expect(sameBytes(await pixels(files.get("panoptic.png")), panopticPixels(map))).toBe(true);
    expect(text(files.get("segments.csv"))).toBe(segmentsToCsv(rows, { categories }));
    expect(text(files.get("segments.geojson"))).toBe(segmentsToGeoJson(map, rows, name, categories));
    expect(text(files.get("segments.yolo.txt"))).toBe(yoloLabels(map, rows, categories));
  });

  test("have the classes in VOC's colours in classes.png, and the segments in palette.png", async () => {
    const colors = vocColors();
    const painted = (entries: ArrayLike<number>) =>
      Uint8Array.from(Array.from(entries).flatMap((entry) => [...colors.subarray(3 * entry, 3 * entry + 3)]));
    const classMask = vocClassMask(map, rows, categories, task);
    expect(sameBytes(await pixels(files.get("classes.png")), painted(classMask))).toBe(true);
    expect(sameBytes(await pixels(files.get("palette.png")), painted(map.ids))).toBe(true);
    // PNG header: bit depth at byte 24, colour type (3 = indexed) at byte 25.
    for (const name of ["classes.png", "palette.png"]) expect([...files.get(name)!.subarray(24, 26)]).toEqual([8, 3]);
  });

  test("have the segments' colours laid over the image", async () => {
    const drawn = overlaySegments(map, rgb, segmentColors(rows, categories));
    expect(sameBytes(await pixels(files.get("overlay.png")), drawn)).toBe(true);
    expect(await sharp(files.get("overlay.jpg")!).metadata()).toMatchObject({ width: map.width, height: map.height });
  });

  test("have the steps one below the other in 16 bits", async () => {
    const png = files.get("steps.png")!;
    expect([...png.subarray(24, 26)]).toEqual([16, 0]);
    const raw = await sharp(png).toColourspace("grey16").raw({ depth: "ushort" }).toBuffer({ resolveWithObject: true });
    expect(raw.info).toMatchObject({ width: 3, height: 4 });
    expect(Array.from(new Uint16Array(raw.data.buffer, raw.data.byteOffset, 12))).toEqual([...steps.frames]);
    expect(JSON.parse(text(files.get("steps.json")))).toMatchObject({
      schema: "clustseg.steps/1",
      seeds: [[0.5, 0.25], null],
    });
  });

  test("are the same bytes when made again", async () => {
    const again = await resultFiles(all, classed);
    for (const [name, bytes] of files) expect(sameBytes(again.get(name)!, bytes), name).toBe(true);
  });
});

describe("the files of superpixels", () => {
  test("are outlines alone in the overlay, and know one class where there must be one", async () => {
    const formats = asFormats(["overlay", "coco", "coco-panoptic", "yolo", "csv"]);
    const files = await resultFiles(formats, plain);
    expect(sameBytes(await pixels(files.get("overlay.png")), overlayBoundaries(map, rgb))).toBe(true);
    expect(JSON.parse(text(files.get("panoptic.json"))).categories).toMatchObject([{ id: 1, name: "superpixel" }]);
    expect(text(files.get("segments.yolo.txt"))).toMatch(/^0 /);
    expect(text(files.get("segments.csv"))).toBe(segmentsToCsv(plainRows));
  });

  test("cannot be class masks, which is told before there is one", async () => {
    const unsuitable = expect.objectContaining({ code: "FORMAT_UNSUITABLE", hint: expect.stringContaining("palette") });
    expect(() => assertClassless(asFormats(["voc"]))).toThrow(unsuitable);
    expect(() => assertClassless(new Set([...all].filter((format) => format !== "voc")))).not.toThrow();
    await expect(resultFiles(asFormats(["voc"]), plain)).rejects.toEqual(unsuitable);
  });

  test.each([undefined, { ...steps, steps: 0, frames: new Uint16Array() }])(
    "have no steps without any",
    async (none) => {
      const parts = none === undefined ? plain : { ...plain, steps: none };
      await expect(resultFiles(asFormats(["steps"]), parts)).rejects.toMatchObject({ code: "FORMAT_UNSUITABLE" });
    },
  );
});
