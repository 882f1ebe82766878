import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { exportFormats } from "../../layers/pipeline/export-results.js";
import { type DrawnSet, drawnSets, drawnStores } from "../pipeline/drawn-results.js";
import type { MemoryStore } from "../pipeline/memory-store.js";
import { inProcess, jsonLines, photos, root, start, workspace } from "./cli.js";

const { panoptic, superpixel } = drawnSets;

/** A folder with masks/ and photos/ of the given sets. */
async function drawn(...sets: readonly DrawnSet[]): Promise<string> {
  const cwd = await workspace();
  const { results, images } = await drawnStores(...sets);
  const write = async (folder: string, store: MemoryStore) => {
    for (const [key, { body }] of store.objects) {
      await mkdir(dirname(join(cwd, folder, key)), { recursive: true });
      await writeFile(join(cwd, folder, key), body);
    }
  };
  await write("masks", results);
  await write("photos", images);
  return cwd;
}

const json = async (cwd: string, file: string) => JSON.parse(await readFile(join(cwd, file), "utf8"));

describe("clustseg export", () => {
  it("exports what clustseg segment has written", async () => {
    const cwd = await workspace();
    await photos(join(cwd, "in"), "a.jpg", "b/c.jpg");
    await inProcess(cwd, "segment", "in", "--superpixels", "12");

    const { code, stdout, stderr } = await inProcess(cwd, "export", "masks", "--format", "coco", "--out", "set");

    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout).toMatch(/^2 images with \d+ segments as coco, in .* \(superpixel by clustseg-superpixel /);
    expect(stdout).toContain("set/instances.json");
    const { images, annotations, categories } = await json(cwd, "set/instances.json");
    expect(images.map(({ file_name }: { file_name: string }) => file_name)).toEqual(["a.jpg", "b/c.jpg"]);
    expect(categories).toEqual([{ id: 1, name: "superpixel", supercategory: "superpixel" }]);
    expect(annotations.length).toBeGreaterThan(12);
  });

  it.each([
    ["coco-polygons", ["instances.json"]],
    ["coco-panoptic", ["panoptic", "panoptic.json"]],
    ["yolo", ["data.yaml", "images", "labels"]],
    ["voc", ["ImageSets", "JPEGImages", "SegmentationClass", "SegmentationObject", "labelmap.txt"]],
    ["geojson", ["a", "ü & 'x'.jpg.geojson"]],
    ["csv", ["segments.csv"]],
    ["cvat", ["annotations.xml", "labels.json"]],
    ["label-studio", ["labeling-config.xml", "tasks.json"]],
    ["cutouts", ["a", "ü & 'x'.jpg"]],
  ])("writes %s, and one JSON object with --json", async (format, files) => {
    const cwd = await drawn(panoptic);

    const args = ["export", "masks", "--format", format, "--out", "set", "--images", "photos", "--json"];
    const { code, stdout, stderr } = await inProcess(cwd, ...args);

    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect((await readdir(join(cwd, "set"))).sort()).toEqual(files);
    expect(jsonLines(stdout)).toEqual([
      expect.objectContaining({
        type: "export",
        format,
        task: "panoptic",
        images: expect.objectContaining({ exported: 3 }),
      }),
    ]);
  });

  it("copies images byte for byte, and writes pictures that other programs read", async () => {
    const cwd = await drawn(panoptic);
    const args = (format: string) => ["export", "masks", "--format", format, "--out", format, "--images", "photos"];

    await inProcess(cwd, ...args("yolo"));
    await inProcess(cwd, ...args("cutouts"));

    const [source, copy] = await Promise.all(
      ["photos/a/b.jpg", "yolo/images/a/b.jpg"].map((f) => readFile(join(cwd, f))),
    );
    expect(copy!.equals(source!)).toBe(true);
    const cut = await sharp(await readFile(join(cwd, "cutouts/a/b.jpg/0002-person.png"))).metadata();
    expect(cut).toMatchObject({ width: 27, height: 24, channels: 4 });
  });

  it.each([
    ["yolo", ["images/ (3 files)", "labels/ (3 files)", "data.yaml"]],
    [
      "voc",
      [
        "JPEGImages/ (3 files)",
        "SegmentationClass/ (3 files)",
        "SegmentationObject/ (3 files)",
        "ImageSets/Segmentation/default.txt",
        "labelmap.txt",
      ],
    ],
    ["coco-panoptic", ["panoptic/ (3 files)", "panoptic.json"]],
  ])("tells the folders and files of %s that it wrote", async (format, written) => {
    const cwd = await drawn(panoptic);

    const { stdout } = await inProcess(
      cwd,
      "export",
      "masks",
      "--format",
      format,
      "--out",
      "set",
      "--images",
      "photos",
    );

    expect(stdout.trimEnd().split("\n").slice(1)).toEqual(written.map((name) => `  set/${name}`));
  });

  it("may write into the results, and does not take for a result what it wrote", async () => {
    const cwd = await drawn(panoptic);

    const first = await inProcess(cwd, "export", "masks", "--format", "voc", "--out", "masks/voc");
    const second = await inProcess(cwd, "export", "masks", "--format", "voc", "--out", "masks/voc", "--json");

    expect(first.code).toBe(0);
    expect(jsonLines(second.stdout)[0]).toMatchObject({ images: { total: 3, exported: 3 } });
  });

  it("tells of damaged, unfinished and other results, and ends with 1 for the damaged", async () => {
    const cwd = await drawn(panoptic, superpixel);
    await writeFile(join(cwd, "masks/a/b.jpg/segments.png"), "text");
    await rm(join(cwd, "masks/a/c d.png/metadata.json"));

    const { code, stdout, stderr } = await inProcess(cwd, "export", "masks", "--format", "csv", "--task", "panoptic");

    expect(code).toBe(1);
    expect(stdout).toMatch(/^1 image with 3 segments as csv, 1 left out, in /);
    expect(stderr).toMatch(/left out a\/b\.jpg: .* \[SEGMENT_MAP_INVALID\]\. /);
    expect(stderr).toContain("1 result not finished, passed over");
    expect(stderr).toContain("1 result of other models or tasks, passed over");
  });

  it("says nothing with --quiet", async () => {
    const cwd = await drawn(superpixel);

    const quiet = await inProcess(cwd, "export", "masks", "--format", "coco", "--quiet");

    expect(quiet).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(existsSync(join(cwd, "export/instances.json"))).toBe(true);
  });

  it.each([
    ["no format", ["masks"], "USAGE", "--format"],
    ["an unknown format", ["masks", "--format", "svg"], "USAGE", "coco-panoptic"],
    ["results that are not there", ["nowhere", "--format", "coco"], "RESULT_NOT_FOUND", "nowhere"],
    ["a folder without results", ["photos", "--format", "coco"], "RESULT_NOT_FOUND", "segment --out"],
    ["one image's result", ["masks/s.png", "--format", "coco"], "RESULT_NOT_FOUND", "the folder above it"],
    ["results of several kinds", ["masks", "--format", "coco"], "RESULTS_MIXED", "--task"],
    ["an output that is where the results are", ["masks", "--format", "coco", "--out", "./masks/"], "USAGE", "--out"],
    ["images that are not there", ["masks", "--format", "yolo", "--images", "gone"], "SOURCE_NOT_FOUND", "gone"],
    ["cut-outs without images", ["masks", "--format", "cutouts", "--task", "panoptic"], "USAGE", "--images"],
    [
      "class masks of superpixels",
      ["masks", "--format", "voc", "--task", "superpixel"],
      "FORMAT_UNSUITABLE",
      "palette",
    ],
    ["an output without a name", ["masks", "--format", "coco", "--out", ""], "USAGE", "--out"],
  ])("refuses %s with exit code 2, a code and a hint", async (_, args, errorCode, hint) => {
    const cwd = await drawn(panoptic, superpixel);

    const { code, stdout, stderr } = await inProcess(cwd, "export", ...args);

    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(`[${errorCode}]`);
    expect(stderr).toContain(hint);
  });

  it("has a help that names every format", async () => {
    const { stdout } = await inProcess(root, "export", "--help");

    for (const format of Object.keys(exportFormats)) expect(stdout).toMatch(new RegExp(`^ {2}${format} `, "m"));
  });

  it("stops cleanly at SIGINT, and leaves no half data set", async () => {
    const images = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`${i}.png`, ["pq"]]));
    const cwd = await drawn({ ...panoptic, images });

    const run = start(cwd, "export", "masks", "--format", "coco-panoptic", "--out", "set");
    await run.until("500 images");
    run.child.kill("SIGINT");
    const { code, stderr } = await run.ended;

    expect(code).toBe(3);
    expect(stderr).toContain("[RUN_CANCELLED]");
    expect(existsSync(join(cwd, "set/panoptic.json"))).toBe(false);
  }, 60_000);
});
