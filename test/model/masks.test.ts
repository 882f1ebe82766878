import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Task } from "../../layers/model/bundle.js";
import { type Model, type ModelOptions, openModel } from "../../layers/model/open-model.js";
import { createSegmenter } from "../../layers/model/segmenter.js";
import { NO_LABEL } from "../../layers/segments/segment-map.js";
import { asText } from "../segments/maps.js";
import {
  classes,
  classOf,
  type MaskBundleOptions,
  maskBundle,
  NONE,
  pictureOf,
  STEPS,
  scoreOf,
  seedOf,
} from "./mask-bundle.js";
import { decoded, picture, sameBytes } from "./pictures.js";

/** A model of a bundle with these options; both go when the test has ended. */
async function open(options: MaskBundleOptions = {}, modelOptions: ModelOptions = {}): Promise<Model> {
  const { folder, remove } = await maskBundle(options);
  onTestFinished(remove);
  const model = await openModel(folder, { threads: 1, ...modelOptions });
  onTestFinished(() => model.close());
  return model;
}

/** An image of clusters, drawn as text: "." none, digits stuff, letters from a on things (clusters 2, 3, …). */
function image(...lines: readonly string[]) {
  const [width, height] = [lines[0]!.length, lines.length];
  const rgb = pictureOf(width, height, (x, y) => {
    const letter = lines[y]![x]!;
    return letter === "." ? NONE : /\d/.test(letter) ? Number(letter) : letter.charCodeAt(0) - 95;
  });
  return decoded(rgb, width, height);
}

describe("one graph, four tasks", () => {
  let model: Model;
  let remove: () => Promise<void>;
  const scene = image("0011aa..", "00bbaa.a", "00bbcc00");
  beforeAll(async () => {
    const bundle = await maskBundle();
    remove = bundle.remove;
    model = await openModel(bundle.folder, { threads: 1 });
  });
  afterAll(async () => {
    await model.close();
    await remove();
  });

  const stuff = (categoryId: number) => ({ categoryId, isThing: false, score: 0.9 });
  const thing = (cluster: number) => ({
    categoryId: classOf(cluster),
    isThing: true,
    score: scoreOf(cluster),
  });

  test("panoptic: each thing by itself, stuff by class", async () => {
    const { map, classes, task } = await model.segment(scene, {}, { task: "panoptic" });

    expect(asText(map)).toEqual(["112233..", "114433.3", "11445511"]);
    expect(classes).toEqual([stuff(0), stuff(1), thing(2), thing(3), thing(4)]);
    expect(task).toBe("panoptic");
  });

  test("instance: the same things, and no segment where stuff is", async () => {
    const { map, classes } = await model.segment(scene, {}, { task: "instance" });

    expect(asText(map)).toEqual(["....11..", "..2211.1", "..2233.."]);
    expect(classes).toEqual([thing(2), thing(3), thing(4)]);
  });

  test("semantic: one segment for each class, in however many pieces", async () => {
    const { map, classes } = await model.segment(scene, {}, { task: "semantic" });

    expect(asText(map)).toEqual(["112233..", "113333.3", "11333311"]);
    expect(classes).toEqual([
      { categoryId: 0, isThing: false, score: 0.8 },
      { categoryId: 1, isThing: false, score: 0.81 },
      { categoryId: 2, isThing: true, score: 0.82 },
    ]);
  });

  test("superpixel: segments without classes", async () => {
    const { map, classes } = await model.segment(scene, { superpixels: 6 }, { task: "superpixel" });

    expect(map.segments).toBe(6);
    expect(classes).toBeUndefined();
  });

  test("the first of the bundle's tasks, when none is asked for", async () => {
    expect((await model.segment(scene)).task).toBe("panoptic");
  });

  test("nothing there: no segment at all", async () => {
    const { map, classes } = await model.segment(image("....", "...."));

    expect(map.segments).toBe(0);
    expect(classes).toEqual([]);
  });

  test("a task that no bundle has is refused", async () => {
    const asked = model.segment(scene, {}, { task: "depth" as Task });

    await expect(asked).rejects.toMatchObject({ code: "TASK_UNSUPPORTED" });
  });

  test.each([
    ["that the graph did not list", 150],
    ["of a class that model.json does not have", 100],
  ])("a pixel with a cluster %s is the bundle's fault", async (_, cluster) => {
    const asked = model.segment(
      decoded(
        pictureOf(2, 2, () => cluster),
        2,
        2,
      ),
    );

    await expect(asked).rejects.toMatchObject({ code: "MODEL_OUTPUT_INVALID", fault: "system" });
  });
});

describe("the thresholds", () => {
  const scene = image("00aaaa00", "00aaaa00", "bb0000cc");

  test("things whose score is below the threshold take no pixels", async () => {
    const model = await open({ tasks: ["panoptic"] });

    const { map, classes } = await model.segment(scene, { threshold: scoreOf(3) });

    expect(asText(map)).toEqual(["11....11", "11....11", "22111133"]);
    expect(classes?.map(({ score }) => score)).toEqual([0.9, scoreOf(3), scoreOf(4)]);
  });

  test("nor do they where the graph does not know of the threshold", async () => {
    const model = await open({ tasks: ["panoptic"], thresholds: false });

    const { map } = await model.segment(scene, { threshold: scoreOf(3) });

    expect(asText(map)).toEqual(["11....11", "11....11", "22111133"]);
    await expect(model.segment(scene, { mask_threshold: 0.5 })).rejects.toMatchObject({ code: "PARAMETER_INVALID" });
  });

  test("pixels whose winner is not probable enough have no segment", async () => {
    const model = await open({ tasks: ["semantic"] });
    const rgb = pictureOf(
      4,
      1,
      () => 1,
      (x) => x / 4,
    );

    const { map } = await model.segment(decoded(rgb, 4, 1), { mask_threshold: 0.5 });

    expect(asText(map)).toEqual(["..11"]);
  });

  test("specks go to their neighbours, and a thing that is mostly specks is dropped", async () => {
    const model = await open({ tasks: ["panoptic"] });
    // a has 6 pixels in one piece and 6 alone.
    const specks = image("aaa00a0a0", "aaa000000", "0000a0a0a", "a00000000");
    const clean = async (overlap: number) =>
      asText((await model.segment(specks, { min_area: 2, overlap_threshold: overlap })).map);

    expect(await clean(0.5)).toEqual(["111222222", "111222222", "222222222", "222222222"]);
    expect(await clean(0.51)).toEqual(["111111111", "111111111", "111111111", "111111111"]);
  });

  test("what is not given comes from the bundle", async () => {
    const model = await open({ tasks: ["panoptic"], defaults: { threshold: scoreOf(3), min_area: 3 } });

    const { map } = await model.segment(scene);

    expect(asText(map)).toEqual(["11....11", "11....11", "11111111"]);
  });
});

describe("large images in tiles", () => {
  const mask_tile = { side: 24, overlap: 8, align: 4 };

  /** Discs and boxes in random places, each a cluster of its own, on two kinds of stuff and none. */
  const scenes = fc.record({
    width: fc.integer({ min: 30, max: 90 }),
    height: fc.integer({ min: 20, max: 70 }),
    shapes: fc.array(
      fc.record({
        x: fc.double({ min: 0, max: 1, noNaN: true }),
        y: fc.double({ min: 0, max: 1, noNaN: true }),
        r: fc.integer({ min: 1, max: 20 }),
        round: fc.boolean(),
      }),
      { maxLength: 14 },
    ),
    hole: fc.boolean(),
  });

  test.each(["panoptic", "instance", "semantic"] as const)("%s: the very segments of the whole image", async (task) => {
    const whole = await open({ tasks: [task] });
    const tiled = await open({ tasks: [task], input: { mask_tile } }, { workers: 2 });
    await fc.assert(
      fc.asyncProperty(scenes, async ({ width, height, shapes, hole }) => {
        const rgb = pictureOf(width, height, (x, y) => {
          const inside = ({ x: cx, y: cy, r, round }: (typeof shapes)[number]) => {
            const [dx, dy] = [Math.abs(x - cx * width), Math.abs(y - cy * height)];
            return round ? dx * dx + dy * dy <= r * r : dx <= r && dy <= r / 2;
          };
          const shape = shapes.findIndex(inside);
          if (shape >= 0) return shape + 2;
          return hole && x > width / 2 && y > height / 2 ? NONE : x < y ? 0 : 1;
        });
        // Shapes hide each other, and what is left of one may be in pieces that no overlap joins: then it is two objects.
        fc.pre(task === "semantic" || isConnected(rgb, width, height));
        const scene = decoded(rgb, width, height);
        const parameters = { min_area: 6, ...(task === "semantic" ? {} : { overlap_threshold: 0.5 }) };

        const [one, many] = [await whole.segment(scene, parameters), await tiled.segment(scene, parameters)];

        expect(sameBytes(many.map.ids, one.map.ids)).toBe(true);
        expect(many.classes).toEqual(one.classes);
      }),
      { numRuns: 25 },
    );
  });

  test("the same whatever the number of workers, and whatever else they do", async () => {
    const options = { tasks: ["panoptic"] as const, input: { mask_tile } };
    const [one, three] = [await open(options), await open(options, { workers: 3 })];
    const scene = (shift: number) =>
      decoded(
        pictureOf(150, 100, (x, y) => ((x + shift) % 40 < 20 && y % 30 < 17 ? 2 + ((x >> 5) + (y >> 5) * 5) : 0)),
        150,
        100,
      );

    const together = await Promise.all([3, 8, 13].map((shift) => three.segment(scene(shift))));

    for (const [i, shift] of [3, 8, 13].entries()) {
      expect(sameBytes(together[i]!.map.ids, (await one.segment(scene(shift))).map.ids)).toBe(true);
    }
  });

  test("a tile that fails fails its image, and the next image is segmented", async () => {
    const model = await open({ tasks: ["panoptic"], input: { mask_tile } }, { workers: 2 });
    const bad = decoded(
      pictureOf(80, 60, (x, y) => (x > 70 && y > 50 ? 150 : 1)),
      80,
      60,
    );

    await expect(model.segment(bad)).rejects.toMatchObject({ code: "MODEL_OUTPUT_INVALID" });
    expect(
      (
        await model.segment(
          decoded(
            pictureOf(80, 60, () => 1),
            80,
            60,
          ),
        )
      ).map.segments,
    ).toBe(1);
  });
});

describe("images at the graph's own scale", () => {
  const disc = (size: number) => (x: number, y: number) =>
    (x + 0.5 - size / 2) ** 2 + (y + 0.5 - size / 2) ** 2 < (size / 3) ** 2 ? 3 : 2;

  test.each([
    ["enlarged to the frame", 200],
    ["shrunk to the frame", 20],
    ["of the frame's size", 64],
  ])("masks %s keep to their edges", async (_, size) => {
    const model = await open({ tasks: ["panoptic"], input: { scale: { mode: "fit", long_side: 64 } } });

    const { map, classes } = await model.segment(decoded(pictureOf(size, size, disc(size)), size, size));

    expect(map).toMatchObject({ width: size, height: size, segments: 2 });
    expect(classes?.map(({ score }) => score)).toEqual([scoreOf(2), scoreOf(3)]);
    const wrong = map.ids.filter((id, i) => id + 1 !== disc(size)(i % size, Math.floor(i / size))).length;
    // The disc's edge has about 2 pi size / 3 pixels, and the graph saw one in `size / 64` of them.
    expect(wrong).toBeLessThan(((2 * Math.PI * size) / 3) * 0.5 * Math.max(1, size / 64));
  });

  test.each([
    [1, 1],
    [1, 5000],
    [3000, 2],
  ])("%i x %i", async (width, height) => {
    const model = await open({ tasks: ["semantic"], input: { scale: { mode: "fit", long_side: 32 } } });

    const { map } = await model.segment(
      decoded(
        pictureOf(width, height, () => 1),
        width,
        height,
      ),
    );

    expect(map).toMatchObject({ width, height, segments: 1 });
  });

  test("the smallest area is counted at that scale", async () => {
    const model = await open({ tasks: ["panoptic"], input: { scale: { mode: "fit", long_side: 50 } } });
    // 8 x 8 pixels of 100, so 16 of 50.
    const scene = decoded(
      pictureOf(100, 100, (x, y) => (x < 8 && y < 8 ? 3 : 2)),
      100,
      100,
    );

    expect((await model.segment(scene, { min_area: 16 })).map.segments).toBe(2);
    expect((await model.segment(scene, { min_area: 17 })).map.segments).toBe(1);
  });
});

describe("the clusters at each E-step", () => {
  const scene = image("00aaaa00", "00aaaa00", "bb0000cc", "bb0000..");

  test("come when asked for, with each cluster's seed and class", async () => {
    const model = await open({ tasks: ["panoptic"] });

    const { steps } = await model.segment(scene, {}, { steps: true });

    expect(steps).toMatchObject({ steps: STEPS, width: 4, height: 2 });
    expect([...steps!.frames]).toEqual(Array.from({ length: STEPS }, () => [0, 2, 2, 0, 3, 0, 0, 4]).flat());
    expect(steps!.seeds.slice(0, 3)).toEqual([undefined, undefined, seedOf(2).map((v) => Math.fround(v))]);
    expect(steps!.clusters[2]).toMatchObject({ categoryId: 2, score: Math.fround(scoreOf(2)) });
    expect((await model.segment(scene)).steps).toBeUndefined();
  });

  test("of an image in tiles are those of the image as a whole, which is noted", async () => {
    const model = await open({ tasks: ["panoptic"], input: { mask_tile: { side: 16, overlap: 4, align: 4 } } });
    const large = decoded(
      pictureOf(64, 32, (x) => (x < 32 ? 2 : 3)),
      64,
      32,
    );

    const { steps, notes, map } = await model.segment(large, {}, { steps: true });

    expect(map).toMatchObject({ width: 64, height: 32, segments: 2 });
    expect(steps).toMatchObject({ steps: STEPS, width: 11, height: 6 });
    expect(notes).toEqual(["steps are those of the image at 22 x 11, as it was segmented in tiles"]);
  });

  test("come with superpixels, too, which have no classes", async () => {
    const model = await open();

    const { steps } = await model.segment(scene, {}, { task: "superpixel", steps: true });

    expect(steps).toMatchObject({ steps: STEPS, width: 4, height: 2 });
    expect(steps!.clusters.every((cluster) => cluster === undefined)).toBe(true);
  });

  test("are refused before an image is looked at, where the graph has none", async () => {
    const model = await open({ tasks: ["panoptic"], steps: false });
    const asked = createSegmenter(model).process(new Uint8Array(9), {
      task: "panoptic",
      parameters: {},
      formats: ["steps"],
    });

    await expect(asked).rejects.toMatchObject({ code: "FORMAT_UNSUITABLE", fault: "user" });
    await expect(model.segment(scene, {}, { steps: true })).rejects.toMatchObject({ code: "FORMAT_UNSUITABLE" });
  });
});

test("the segmenter gives rows with classes, the bundle's categories, and all files", async () => {
  const model = await open();
  const { data, width, height } = image("00aaaa00", "00aaaa00", "bb0000cc");
  const png = await picture(data, width, height).png().toBuffer();

  const result = await createSegmenter(model).process(png, {
    task: "panoptic",
    parameters: {},
    formats: ["steps", "csv", "coco-panoptic"],
  });

  expect(result.categories).toEqual(classes);
  expect(result.segments[1]).toMatchObject({
    id: 2,
    area: 8,
    bbox: [2, 0, 4, 2],
    categoryId: 2,
    isThing: true,
    score: scoreOf(2),
  });
  expect([...result.files.keys()].sort()).toEqual(
    ["segments.png", "segments.csv", "panoptic.json", "panoptic.png", "steps.png", "steps.json"].sort(),
  );
});

/** Is every thing of the picture one 4-connected piece? */
function isConnected(rgb: Uint8Array, width: number, height: number): boolean {
  const label = (i: number): number => (rgb[i * 3]! < 2 ? NO_LABEL : rgb[i * 3]!);
  const pieces = new Map<number, number>();
  const seen = new Set<number>();
  for (let start = 0; start < width * height; start++) {
    if (seen.has(start) || label(start) === NO_LABEL || label(start) === NONE) continue;
    pieces.set(label(start), (pieces.get(label(start)) ?? 0) + 1);
    const stack = [start];
    seen.add(start);
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      const x = at % width;
      const around = [...(x > 0 ? [at - 1] : []), ...(x < width - 1 ? [at + 1] : []), at - width, at + width];
      for (const next of around) {
        if (next < 0 || next >= width * height || seen.has(next) || label(next) !== label(at)) continue;
        seen.add(next);
        stack.push(next);
      }
    }
  }
  return [...pieces.values()].every((count) => count === 1);
}
