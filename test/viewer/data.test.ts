import { describe, expect, it } from "vitest";
import { noFilter, passesImage, passesSegment } from "../../layers/viewer/page/data/filter.js";
import { readResult } from "../../layers/viewer/page/data/result.js";
import { centroidsOf, readSteps, segmentsOfClusters } from "../../layers/viewer/page/data/steps.js";
import { coloursOf, defaultScheme, schemesOf } from "../../layers/viewer/page/draw/schemes.js";
import { hashOf, routeOf } from "../../layers/viewer/page/route.js";
import { percent, readable } from "../../layers/viewer/page/words.js";
import { drawScene, resultFilesOf } from "./scenes.js";

const source = { uri: "file:///images", key: "a.png", etag: "1-2", size: 3 };

describe("the filter", () => {
  const entry = {
    key: "Set/Größe.jpg",
    classes: [
      ["cat", 2, 0.9],
      ["sky", 1, null],
    ] as const,
  };

  it.each([
    ["nothing asked", {}, true],
    ["a part of the name, in other letters", { search: " GRÖ " }, true],
    ["a decomposed letter", { search: "gro\u0308ße" }, true],
    ["another name", { search: "small" }, false],
    ["a class it has", { classes: new Set(["cat"]) }, true],
    ["one of two classes", { classes: new Set(["dog", "sky"]) }, true],
    ["a class it lacks", { classes: new Set(["dog"]) }, false],
    ["a class it has, with too low a score", { classes: new Set(["cat"]), score: 0.95 }, false],
    ["a class without scores", { classes: new Set(["sky"]), score: 0.95 }, true],
  ])("judges an image by %s", (_, asked, passes) => {
    expect(passesImage(entry, { ...noFilter, ...asked })).toBe(passes);
  });

  it("leaves superpixels alone until a class is asked for", () => {
    const superpixels = { key: "a.jpg", classes: [] };
    expect(passesImage(superpixels, { ...noFilter, score: 0.9 })).toBe(true);
    expect(passesImage(superpixels, { ...noFilter, classes: new Set(["cat"]) })).toBe(false);
    expect(passesSegment({ name: undefined, score: undefined }, { ...noFilter, score: 0.9 })).toBe(true);
  });
});

describe("a result", () => {
  it("is read with its classes, scores and colours", async () => {
    const scene = drawScene(3);
    const files = await resultFilesOf(scene, source);

    const result = readResult(JSON.parse(Buffer.from(files.get("metadata.json")!).toString()));

    expect(result.segments).toHaveLength(scene.segments.length);
    const balloon = result.segments.find(({ name }) => name === "balloon")!;
    expect(balloon).toMatchObject({ isThing: true, color: [214, 110, 62], categoryId: 5 });
    expect(balloon.score).toBeGreaterThan(0);
    expect(defaultScheme(result)).toBe("class");
    // Things of one class are told apart; stuff has the class's own colour.
    const colours = coloursOf(result.segments, "class");
    expect(new Set(colours.map(String)).size).toBe(colours.length);
  });

  it("of superpixels has mean colours to be drawn in", () => {
    const rows = [{ id: 1, area: 5, bbox: [0, 0, 1, 5], centroid: [0, 2], mean_color: [1, 2, 3] }];
    const result = readResult({ schema: "clustseg.result/1", frame: { width: 1, height: 5 }, segments_info: rows });
    expect(schemesOf(result)).toEqual(["mean", "segment"]);
    expect(coloursOf(result.segments, "mean")).toEqual([[1, 2, 3]]);
  });

  it.each([
    ["null", null],
    ["a list", []],
    ["another schema", { schema: "other/1" }],
    ["no frame", { schema: "clustseg.result/1", segments_info: [] }],
    ["no rows", { schema: "clustseg.result/1", frame: { width: 1, height: 1 } }],
    ["damaged rows", { schema: "clustseg.result/1", frame: { width: 1, height: 1 }, segments_info: [1] }],
  ])("is refused when it is %s", (_, document) => {
    expect(() => readResult(document)).toThrow(/metadata\.json/);
  });

  it("that is being written says so", () => {
    expect(() => readResult({ schema: "clustseg.claim/1" })).toThrow(/being written just now/);
  });

  it("from a stranger may have anything where it is not relied upon", () => {
    const rows = [{ area: "x", category_id: {}, score: "1", mean_color: [1, 2, 999] }];
    const categories = [null, { id: 1 }, { id: 2, name: "__proto__", color: "red" }];
    const { segments } = readResult({
      schema: "clustseg.result/1",
      frame: { width: 1, height: 1 },
      segments_info: rows,
      categories,
    });
    expect(segments).toEqual([
      {
        id: 1,
        area: 0,
        name: undefined,
        categoryId: undefined,
        isThing: false,
        score: undefined,
        color: undefined,
        meanColor: undefined,
      },
    ]);
  });
});

describe("E-steps", () => {
  const seeds = [[0.25, 0.5], null, [0.75, 0.5]];
  const clusters = [{ category_id: 5, score: 0.5 }, null, { category_id: 6, score: 0.1 }];
  const document = { schema: "clustseg.steps/1", width: 4, height: 1, steps: 2, seeds, clusters };
  // Frame 1: clusters 0 0 2 none; frame 2: 0 0 0 2.
  const image = { width: 4, height: 2, depth: 16 as const, values: Uint16Array.of(0, 0, 2, 65_535, 0, 0, 0, 2) };

  it("are read with what changed from one to the next", () => {
    const steps = readSteps(document, image);

    expect(steps.frames.map(({ ids }) => [...ids])).toEqual([
      [1, 1, 3, 0],
      [1, 1, 1, 3],
    ]);
    expect(steps.seeds).toEqual([{ x: 0.25, y: 0.5 }, undefined, { x: 0.75, y: 0.5 }]);
    expect(steps.categories).toEqual([5, undefined, 6]);
    expect(steps.changed).toEqual([0.75, 0.5]);
    expect(steps.clusters).toBe(3);
  });

  it("have a middle of each cluster's pixels, in parts of the picture", () => {
    const { frames } = readSteps(document, image);
    const [, first, none, last] = centroidsOf(frames[1]!, 3);
    expect(first).toEqual({ x: 0.375, y: 0.5 });
    expect(none).toBeUndefined();
    expect(last).toEqual({ x: 0.875, y: 0.5 });
  });

  it("end in the segments that their clusters became", () => {
    const { frames } = readSteps(document, image);
    const segments = { width: 8, height: 2, ids: Uint16Array.from({ length: 16 }, (_, i) => (i % 8 < 6 ? 9 : 0)) };
    expect([...segmentsOfClusters(frames[1]!, 3, segments)]).toEqual([0, 9, 0, 0]);
  });

  it.each([
    ["another schema", { ...document, schema: "x" }],
    ["another width", { ...document, width: 5 }],
    ["another number of steps", { ...document, steps: 3 }],
    ["no seeds", { ...document, seeds: undefined }],
  ])("are refused with %s", (_, wrong) => {
    expect(() => readSteps(wrong, image)).toThrow(/steps/);
  });
});

describe("addresses of the page", () => {
  it.each(["a/b.jpg", "a b+c%2F?.jpg", "<img src=x onerror=alert(1)>.png", "猫#1.png", "../..", "%"])(
    "bring back the image %j",
    (key) => {
      expect(routeOf(hashOf({ kind: "image", key }))).toEqual({ kind: "image", key });
    },
  );

  it("that make no sense lead to the gallery", () => {
    for (const hash of ["", "#", "#/", "#/image/", "#/image/%E0%A4%A", "#/other"])
      expect(routeOf(hash).kind).toBe("gallery");
  });
});

describe("words", () => {
  it("show what a name hides", () => {
    expect(readable("a\u202egpj.exe\u0000")).toBe("a\\u202egpj.exe\\u0000");
    expect(readable("grüße 猫 👩‍🚀 <b>")).toBe("grüße 猫 👩‍🚀 <b>");
  });

  it("say parts as people do", () => {
    expect([0, 0.0003, 0.081, 0.5, 0.9999, 1].map(percent)).toEqual(["0%", "0.03%", "8.1%", "50.0%", "100%", "100%"]);
  });
});
