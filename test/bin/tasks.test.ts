import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeIds } from "../../layers/model/encode.js";
import { classes, maskBundle, NONE, pictureOf, scoreOf } from "../model/mask-bundle.js";
import { picture } from "../model/pictures.js";
import { inProcess, jsonLines, workspace } from "./cli.js";

let bundle: string;
let remove: () => Promise<void>;
beforeAll(async () => {
  ({ folder: bundle, remove } = await maskBundle());
});
afterAll(() => remove());

/** A field of grass with two cells and a cow (clusters 2, 12 and 61), and a corner of nothing. */
async function field(folder: string, name = "field.png"): Promise<void> {
  const rgb = pictureOf(40, 30, (x, y) => {
    if (x > 35 && y > 25) return NONE;
    if (x < 10 && y < 10) return 2;
    if (x > 30 && y < 10) return 12;
    return x > 10 && x < 30 && y > 15 ? 61 : 1;
  });
  await writeFile(join(folder, name), await picture(rgb, 40, 30).png().toBuffer());
}

const metadataOf = async (cwd: string, out = "masks") =>
  JSON.parse(await readFile(join(cwd, out, "field.png/metadata.json"), "utf8"));

describe("clustseg segment with a model of several tasks", () => {
  it("does the model's first task, and says of each segment its class and score", async () => {
    const cwd = await workspace();
    await field(cwd);

    const { code, stdout } = await inProcess(cwd, "segment", "field.png", "--model", bundle);

    expect(code).toBe(0);
    expect(stdout).toMatch(/^ image +size +objects +ms\n field\.png +40 x 30 +3 /);
    expect(stdout).toMatch(/^1 image, panoptic by reads-colours 1\.0\.0: 1 segmented/m);
    const metadata = await metadataOf(cwd);
    expect(metadata).toMatchObject({ task: "panoptic", segments: 4, categories: classes });
    expect(metadata.parameters).toEqual({ threshold: 0, mask_threshold: 0, overlap_threshold: 0, min_area: 0 });
    expect(
      metadata.segments_info.map((row: Record<string, unknown>) => [row["category_id"], row["isthing"], row["score"]]),
    ).toEqual([
      [2, true, scoreOf(2)],
      [1, false, 0.9],
      [2, true, scoreOf(12)],
      [7, true, scoreOf(61)],
    ]);
    const map = await decodeIds(await readFile(join(cwd, "masks/field.png/segments.png")));
    expect(map).toMatchObject({ width: 40, height: 30, segments: 4 });
    expect(map.ids.at(-1)).toBe(0);
  });

  it("does the task asked for, with the thresholds asked for, and knows results with others as others", async () => {
    const cwd = await workspace();
    await field(cwd);
    const instances = ["segment", "field.png", "--model", bundle, "--task", "instance", "--json"];
    const itemOf = (stdout: string) => jsonLines(stdout).find(({ type }) => type === "item");

    const all = await inProcess(cwd, ...instances);
    const sure = await inProcess(cwd, ...instances, "--threshold", "0.4", "--min-area", "5");
    const again = await inProcess(cwd, ...instances, "--threshold", "0.4", "--min-area", "5", "--mask-threshold", "0");

    expect(itemOf(all.stdout)).toMatchObject({ segments: 3 });
    expect(itemOf(sure.stdout)).toMatchObject({ segments: 2 });
    expect(itemOf(sure.stdout)?.["result_id"]).not.toBe(itemOf(all.stdout)?.["result_id"]);
    // The bundle's own mask threshold is 0: asked for by number it is the same result.
    expect(jsonLines(again.stdout).at(-1)).toMatchObject({ items: { skipped: 1 } });
    expect((await metadataOf(cwd)).parameters).toEqual({
      threshold: 0.4,
      mask_threshold: 0,
      overlap_threshold: 0,
      min_area: 5,
    });
  });

  it("writes the clusters' steps when asked for", async () => {
    const cwd = await workspace();
    await field(cwd);

    const { code } = await inProcess(cwd, "segment", "field.png", "--model", bundle, "--formats", "steps");

    expect(code).toBe(0);
    expect(await readdir(join(cwd, "masks/field.png"))).toEqual(
      expect.arrayContaining(["metadata.json", "segments.png", "steps.json", "steps.png"]),
    );
    const steps = JSON.parse(await readFile(join(cwd, "masks/field.png/steps.json"), "utf8"));
    expect(steps).toMatchObject({ schema: "clustseg.steps/1", width: 20, height: 15, steps: 3 });
  });

  it.each([
    [
      "superpixels of a semantic task",
      ["--task", "semantic", "--superpixels", "50"],
      "USAGE",
      "--mask-threshold, --min-area",
    ],
    [
      "a threshold of superpixels",
      ["--task", "superpixel", "--threshold", "0.5"],
      "USAGE",
      "This task has --superpixels",
    ],
    ["a threshold of classes", ["--task", "semantic", "--threshold", "0.5"], "USAGE", "--threshold has no effect"],
    ["a probability above 1", ["--threshold", "1.5"], "USAGE", "a number from 0 to 1"],
    ["a probability in words", ["--mask-threshold", "half"], "USAGE", "a number from 0 to 1"],
    ["half a pixel", ["--min-area", "0.5"], "USAGE", "whole number"],
    [
      "a task that the model does not do",
      ["--task", "depth"],
      "TASK_UNSUPPORTED",
      "panoptic, semantic, instance, superpixel",
    ],
  ])("refuses %s before an image is segmented", async (_, args, errorCode, hint) => {
    const cwd = await workspace();
    await field(cwd);

    const { code, stdout, stderr } = await inProcess(cwd, "segment", "field.png", "--model", bundle, ...args);

    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(`[${errorCode}]`);
    expect(stderr).toContain(hint);
  });

  it("refuses steps of a model without them before an image is segmented", async () => {
    const cwd = await workspace();
    await field(cwd);

    const without = await maskBundle({ steps: false });
    try {
      const { code, stderr } = await inProcess(
        cwd,
        ...["segment", "field.png", "--model", without.folder, "--formats", "steps"],
      );

      expect(code).toBe(2);
      expect(stderr).toContain("[FORMAT_UNSUITABLE]");
      expect(stderr).toContain('Leave the format "steps" out');
    } finally {
      await without.remove();
    }
  });
});

describe("clustseg inspect and models", () => {
  it("inspect tells the classes of a result, and checks them", async () => {
    const cwd = await workspace();
    await field(cwd);
    await inProcess(cwd, "segment", "field.png", "--model", bundle);

    const { code, stdout } = await inProcess(cwd, "inspect", "masks/field.png");
    const file = join(cwd, "masks/field.png/metadata.json");
    await writeFile(file, (await readFile(file, "utf8")).replace('"category_id":7', '"category_id":8'));
    const stray = await inProcess(cwd, "inspect", "masks/field.png");

    expect(code).toBe(0);
    expect(stdout).toMatch(/^classes +cell 2, grass, cow$/m);
    expect(stdout).toMatch(/^ *biggest +class +score +pixels/m);
    expect(stdout).toMatch(/^ *2 +grass +0\.90 +\d+/m);
    expect(stray.code).toBe(1);
    expect(stray.stdout).toContain("BAD every segment has a class of the list: segment 4 has 8");
  });

  it("models tells the tasks and classes of a bundle", async () => {
    const { code, stdout } = await inProcess(bundle, "models", bundle);

    expect(code).toBe(0);
    expect(stdout).toMatch(/^model +reads-colours 1\.0\.0, /);
    expect(stdout).toMatch(/^tasks +panoptic \(when none is asked for\), semantic, instance, superpixel$/m);
    expect(stdout).toMatch(/^things +cell, cow$/m);
    expect(stdout).toMatch(/^stuff +background, grass$/m);
  });
});
