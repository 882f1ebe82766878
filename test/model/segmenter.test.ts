import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeIds } from "../../layers/model/encode.js";
import { sharp } from "../../layers/model/libvips.js";
import { type Model, openModel, segmentImage } from "../../layers/model/open-model.js";
import { probeProviders } from "../../layers/model/providers.js";
import { createSegmenter, type ModelSegmenter } from "../../layers/model/segmenter.js";
import type { Segmenter } from "../../layers/pipeline/ports.js";
import type { CocoInstances } from "../../layers/segments/coco.js";
import { segmentsFromCsv } from "../../layers/segments/csv.js";
import { rleArea, rleMask } from "../../layers/segments/rle.js";
import { decoded, picture, sameBytes, scene, tinyBundle } from "./pictures.js";

const width = 160;
const height = 120;
const request = { task: "superpixel", parameters: { superpixels: 40 }, formats: [] as string[] };

let model: Model;
let segmenter: ModelSegmenter;
beforeAll(async () => {
  model = await openModel(tinyBundle);
  // The assignment checks that it is the pipeline's port.
  segmenter = createSegmenter(model) satisfies Segmenter;
});
afterAll(() => model.close());

const jpeg = (seed: number): Promise<Uint8Array> =>
  picture(scene(width, height, seed), width, height)
    .jpeg()
    .toBuffer();

describe("one image", () => {
  test("segments.png always comes, and its ids are the rows' ids", async () => {
    const result = await segmenter.process(await jpeg(1), request);

    expect([...result.files.keys()]).toEqual(["segments.png"]);
    const map = await decodeIds(result.files.get("segments.png")!);
    expect(map).toMatchObject({ width, height, segments: result.segments.length });
    expect(result.segments.reduce((sum, row) => sum + row.area, 0)).toBe(width * height);
    expect(result.frame).toMatchObject({ width, height, format: "jpeg", notes: [] });
    for (const ms of Object.values(result.ms)) expect(ms).toBeGreaterThan(0);
  });

  test("extras come when asked for, whatever the order", async () => {
    const file = await jpeg(2);
    const formats = ["palette", "csv", "mean", "geojson", "overlay-jpg", "segments", "coco", "overlay"];

    const result = await segmenter.process(file, { ...request, formats, name: "a/b.jpg" });

    const names = ["segments.png", "overlay.png", "overlay.jpg", "mean.png", "segments.csv"];
    names.push("segments.coco.json", "segments.geojson", "palette.png");
    expect([...result.files.keys()]).toEqual(names);
    for (const name of names.slice(1, 4)) {
      expect(await sharp(result.files.get(name)!).metadata()).toMatchObject({ width, height, channels: 3 });
    }
    const text = (name: string): string => new TextDecoder().decode(result.files.get(name));
    expect(segmentsFromCsv(text("segments.csv"))).toEqual(result.segments);
    expect(await sharp(result.files.get("palette.png")!).metadata()).toMatchObject({ width, height, isPalette: true });
    const { images, annotations } = JSON.parse(text("segments.coco.json")) as CocoInstances;
    expect(images).toEqual([{ id: 1, width, height, file_name: "a/b.jpg" }]);
    expect(annotations.map(({ id, area, bbox }) => ({ id, area, bbox }))).toEqual(
      result.segments.map(({ id, area, bbox }) => ({ id, area, bbox })),
    );
    expect(annotations.map(({ segmentation }) => rleArea(segmentation))).toEqual(
      result.segments.map(({ area }) => area),
    );
    const { ids } = await decodeIds(result.files.get("segments.png")!);
    expect(rleMask(annotations[4]!.segmentation).join("")).toBe(Array.from(ids, (id) => (id === 5 ? 1 : 0)).join(""));
    const outlines = JSON.parse(text("segments.geojson")) as { image: object; features: { id: number }[] };
    expect(outlines.image).toMatchObject({ file_name: "a/b.jpg" });
    expect(outlines.features.map(({ id }) => id)).toEqual(result.segments.map(({ id }) => id));
  });

  test("more superpixels than pixels: one segment a pixel at most, and a note", async () => {
    const file = await picture(scene(6, 5), 6, 5).png().toBuffer();

    const result = await segmenter.process(file, { ...request, parameters: { superpixels: 500, min_area_ratio: 0 } });

    expect(result.segments.length).toBeGreaterThan(0);
    expect(result.segments.length).toBeLessThanOrEqual(30);
    expect(result.frame.notes).toEqual(["500 superpixels asked, but there is room for 30"]);
  });

  test.each([
    [1, 1],
    [1, 5000],
    [5000, 1],
    [3, 2],
  ])("%i x %i", async (w, h) => {
    const file = await picture(scene(w, h), w, h).png().toBuffer();

    const result = await segmenter.process(file, { ...request, parameters: {} });

    const map = await decodeIds(result.files.get("segments.png")!);
    expect(map).toMatchObject({ width: w, height: h, segments: result.segments.length });
    expect(map.ids.every((id) => id > 0)).toBe(true);
  });
});

test("the same files whatever the concurrency and the number of threads", async () => {
  const files = await Promise.all([1, 2, 3, 4, 5, 6].map(jpeg));
  const asked = { ...request, formats: ["overlay", "mean", "csv"] };
  const alone: ReadonlyMap<string, Uint8Array>[] = [];
  for (const file of files) alone.push((await segmenter.process(file, asked)).files);

  const together = await Promise.all(files.map((file) => segmenter.process(file, asked)));
  const single = await openModel(tinyBundle, { threads: 1 });
  const oneThread = await Promise.all(files.map((file) => createSegmenter(single).process(file, asked)));
  await single.close();

  for (const results of [together, oneThread]) {
    for (const [i, { files: made }] of results.entries()) {
      for (const [name, bytes] of made) expect(sameBytes(bytes, alone[i]!.get(name)!)).toBe(true);
    }
  }
});

describe("what cannot be done is an error with a code, and its neighbours go on", () => {
  test("a bad image among good ones", async () => {
    const good = await jpeg(1);

    const ends = await Promise.allSettled(
      [good, good.subarray(0, 900), new Uint8Array(0), good].map((bytes) => segmenter.process(bytes, request)),
    );

    expect(ends.map((end) => (end.status === "fulfilled" ? "segmented" : end.reason.code))).toEqual([
      "segmented",
      "IMAGE_TRUNCATED",
      "IMAGE_EMPTY",
      "segmented",
    ]);
  });

  test.each([
    ["a format", { ...request, formats: ["svg"] }, "FORMAT_UNKNOWN"],
    ["a format that objects inherit", { ...request, formats: ["toString"] }, "FORMAT_UNKNOWN"],
    ["a task", { ...request, task: "panoptic" }, "TASK_UNSUPPORTED"],
    ["no superpixels", { ...request, parameters: { superpixels: 0 } }, "PARAMETER_INVALID"],
    ["half a superpixel", { ...request, parameters: { superpixels: 1.5 } }, "PARAMETER_INVALID"],
    ["a ratio above 1", { ...request, parameters: { min_area_ratio: 2 } }, "PARAMETER_INVALID"],
    ["an unknown parameter", { ...request, parameters: { superpixel: 9 } }, "PARAMETER_INVALID"],
  ])("%s", async (_, asked, code) => {
    await expect(segmenter.process(await jpeg(1), asked)).rejects.toMatchObject({ code, fault: "user" });
  });

  test("pixels that do not fit their size", async () => {
    const image = decoded(new Uint8Array(10), width, height);

    await expect(model.segment(image)).rejects.toMatchObject({ code: "PARAMETER_INVALID" });
  });
});

describe("segmentImage", () => {
  test("takes bytes or a path, and leaves the image's pixels usable", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "clustseg-image-"));
    const file = path.join(folder, "a.jpg");
    await writeFile(file, await jpeg(3));

    const fromBytes = await segmentImage(await jpeg(3), { model, superpixels: 40 });
    const fromPath = await segmentImage(file, { model: tinyBundle, superpixels: 40 });
    await rm(folder, { recursive: true });

    expect(fromBytes.image.data.length).toBe(width * height * 3);
    expect(sameBytes(fromPath.map.ids, fromBytes.map.ids)).toBe(true);
    await expect(segmentImage(file, { model })).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
  });
});

test("doctor: the CPU provider works; where CUDA does not, it is said why", async () => {
  const [cpu, cuda] = await probeProviders(tinyBundle);

  expect(cpu).toEqual({ provider: "cpu", works: true });
  if (cuda?.works === false) {
    expect(cuda.reason).toMatch(/./);
    expect(cuda.hint).toMatch(/./);
  }
});
