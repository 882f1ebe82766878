import { cp, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadBundle } from "../../layers/model/bundle.js";
import { findBundle } from "../../layers/model/find-bundle.js";
import { openModel, segmentImage } from "../../layers/model/open-model.js";
import { tinyBundle } from "./pictures.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "clustseg-bundle-"));
  await cp(tinyBundle, folder, { recursive: true });
});
afterEach(() => rm(folder, { recursive: true }));

type Json = Record<string, unknown>;

const grass = { id: 1, name: "grass", isthing: false, color: [0, 99, 0] };

/** Changes model.json of the copy. */
async function edit(change: (manifest: Json & { graph: Json; input: Json }) => void): Promise<void> {
  const file = path.join(folder, "model.json");
  const manifest = JSON.parse(await readFile(file, "utf8")) as Json & { graph: Json; input: Json };
  change(manifest);
  await writeFile(file, JSON.stringify(manifest));
}

test("a whole bundle is loaded and its graph verified", async () => {
  const bundle = await loadBundle(folder);

  expect(bundle.manifest).toMatchObject({ name: "tiny-superpixel", tasks: ["superpixel"] });
  expect(bundle.graph.byteLength).toBe(bundle.manifest.graph.bytes);
});

describe("a damaged graph is refused before it is run", () => {
  test("one byte changed", async () => {
    const file = path.join(folder, "model.onnx");
    const graph = await readFile(file);
    graph[500] = graph[500]! ^ 1;
    await writeFile(file, graph);

    await expect(openModel(folder)).rejects.toMatchObject({
      code: "MODEL_DAMAGED",
      message: expect.stringContaining("SHA-256"),
    });
  });

  test("cut short", async () => {
    await truncate(path.join(folder, "model.onnx"), 4000);

    await expect(openModel(folder)).rejects.toMatchObject({
      code: "MODEL_DAMAGED",
      message: expect.stringContaining("4000 bytes"),
    });
  });

  test("verified, but no ONNX graph at all", async () => {
    const bytes = new TextEncoder().encode("not a graph");
    await writeFile(path.join(folder, "model.onnx"), bytes);
    const digest = await crypto.subtle.digest("SHA-256", bytes);
    await edit(({ graph }) => {
      Object.assign(graph, { bytes: bytes.length, sha256: Buffer.from(digest).toString("hex") });
    });

    await expect(openModel(folder)).rejects.toMatchObject({ code: "MODEL_LOAD_FAILED" });
  });
});

describe("model.json that does not match its schema is refused, and the message says where", () => {
  test.each<[string, (manifest: Json & { graph: Json; input: Json }) => void, string]>([
    ["another schema", (m) => Object.assign(m, { schema: "clustseg.bundle/2" }), "schema"],
    ["no graph", (m) => Object.assign(m, { graph: undefined }), "graph"],
    ["a graph outside its folder", (m) => Object.assign(m.graph, { file: "../model.onnx" }), "graph.file"],
    ["a digest that is none", (m) => Object.assign(m.graph, { sha256: "abc" }), "graph.sha256"],
    ["an unknown task", (m) => Object.assign(m, { tasks: ["depth"] }), "tasks"],
    ["an unknown key", (m) => Object.assign(m, { taks: [] }), "taks"],
    ["a task twice", (m) => Object.assign(m, { tasks: ["superpixel", "superpixel"] }), "tasks"],
    ["superpixels without cells", (m) => Object.assign(m.input, { cell_size: undefined }), "input.cell_size"],
    ["no default for superpixels", (m) => Object.assign(m, { defaults: { min_area_ratio: 0 } }), "superpixels"],
    ["a task with classes, but none", (m) => Object.assign(m, { tasks: ["semantic"] }), "classes"],
    [
      "a task with classes without its defaults",
      (m) => Object.assign(m, { tasks: ["instance"] }),
      "defaults.threshold",
    ],
    ["two classes with one id", (m) => Object.assign(m, { classes: [grass, grass] }), "classes: two have one id"],
    ["instances of stuff", (m) => Object.assign(m, { tasks: ["instance"], classes: [grass] }), "a thing"],
    ["a scale that is none", (m) => Object.assign(m.input, { scale: { mode: "fit" } }), "input.scale.long_side"],
    [
      "tiles that are nothing but overlap",
      (m) => Object.assign(m.input, { mask_tile: { side: 96, overlap: 96 } }),
      "input.mask_tile",
    ],
    ["cells upside down", (m) => Object.assign(m.input, { cell_size: { min: 9, max: 4 } }), "input.cell_size"],
    [
      "default superpixels of 0",
      (m) => Object.assign(m, { defaults: { superpixels: 0, min_area_ratio: 0 } }),
      "defaults",
    ],
  ])("%s", async (_, change, where) => {
    await edit(change);

    await expect(loadBundle(folder)).rejects.toMatchObject({
      code: "MODEL_MANIFEST_INVALID",
      message: expect.stringContaining(where),
    });
  });

  test("not JSON", async () => {
    await writeFile(path.join(folder, "model.json"), "{");

    await expect(loadBundle(folder)).rejects.toMatchObject({ code: "MODEL_MANIFEST_INVALID" });
  });
});

describe("a manifest and a graph that do not belong together", () => {
  test("inputs that the graph does not have", async () => {
    await edit(({ graph }) => {
      Object.assign(graph, { inputs: [{ name: "picture", type: "uint8", shape: ["N", "H", "W", 3] }] });
    });

    await expect(openModel(folder)).rejects.toMatchObject({
      code: "MODEL_INCOMPATIBLE",
      message: expect.stringContaining("picture"),
    });
  });

  test("padding that this version does not do", async () => {
    await edit(({ input }) => Object.assign(input, { multiple: 32 }));

    await expect(openModel(folder)).rejects.toMatchObject({ code: "MODEL_INCOMPATIBLE" });
  });

  test("inputs that this version does not feed", async () => {
    await edit(({ graph }) => {
      Object.assign(graph, { inputs: [...(graph["inputs"] as Json[]), { name: "depth", type: "uint8", shape: [1] }] });
    });

    await expect(openModel(folder)).rejects.toMatchObject({
      code: "MODEL_INCOMPATIBLE",
      message: expect.stringContaining("depth"),
    });
  });

  test("a task with classes, of a graph that gives none", async () => {
    const thing = { id: 1, name: "cell", isthing: true, color: [1, 2, 3] };
    await edit((manifest) =>
      Object.assign(manifest, { tasks: ["semantic"], classes: [thing], defaults: { min_area: 8 } }),
    );

    await expect(openModel(folder)).rejects.toMatchObject({
      code: "MODEL_INCOMPATIBLE",
      message: expect.stringContaining("class_id, score"),
    });
  });
});

describe("a bundle that is not there", () => {
  test("no such name or folder", async () => {
    await expect(findBundle("no-such-model")).rejects.toMatchObject({
      code: "MODEL_NOT_FOUND",
      message: expect.stringContaining("no-such-model"),
    });
  });

  test("model.json without its graph", async () => {
    await rm(path.join(folder, "model.onnx"));

    await expect(loadBundle(folder)).rejects.toMatchObject({
      code: "MODEL_NOT_FOUND",
      message: expect.stringContaining("model.onnx"),
    });
  });
});

test.each([{ model: "x" }, null, 7])(
  "opening %j, which names no bundle, is refused as a bad parameter",
  async (given) => {
    await expect(openModel(given as never)).rejects.toMatchObject({ code: "PARAMETER_INVALID", name: "ClustsegError" });
    await expect(segmentImage(new Uint8Array(8), { model: given as never })).rejects.toMatchObject({
      code: "PARAMETER_INVALID",
    });
  },
);
