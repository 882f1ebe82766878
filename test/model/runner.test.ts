import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterEach, describe, expect, test } from "vitest";
import { loadBundle } from "../../layers/model/bundle.js";
import { whyNoCuda } from "../../layers/model/cuda.js";
import { feedsOf, runGraph } from "../../layers/model/graph.js";
import { type GraphRunner, openRunner, type RunnerOptions } from "../../layers/model/runner.js";
import { scene, tinyBundle } from "./pictures.js";

const width = 64;
const height = 48;
const request = (superpixels: number) => ({
  image: Uint8Array.from(scene(width, height)),
  width,
  height,
  superpixels,
  rows: 0,
  columns: 0,
});
/** A request as the tiny bundle's graph takes it. */
const feeds = (superpixels: number) => feedsOf(tinyInputs, request(superpixels));
const tinyInputs = [{ name: "image" }, { name: "superpixels" }, { name: "grid" }];
const load = async () => (await loadBundle(tinyBundle)).graph;

let runner: GraphRunner | undefined;
const open = async (options: RunnerOptions = {}): Promise<GraphRunner> => {
  runner = await openRunner(load, { threads: 1, ...options });
  return runner;
};
afterEach(() => runner?.close());

describe("a graph in its thread", () => {
  test("tells what it is", async () => {
    const { provider, refused, inputs, outputs } = await open();

    expect({ provider, refused }).toEqual({ provider: "cpu", refused: [] });
    expect(inputs.map(({ name }) => name)).toEqual(["image", "superpixels", "grid"]);
    expect(outputs).toEqual([{ name: "labels", type: "uint16", shape: ["N", "H", "W"] }]);
  });

  test("takes the image's buffer instead of copying it, and gives labels", async () => {
    const graph = await open();
    const asked = request(12);

    const { labels, ms, classIds, scores, seeds, steps } = await runGraph(graph, asked);

    expect(asked.image.byteLength).toBe(0);
    expect(labels.length).toBe(width * height);
    expect(Math.max(...labels)).toBe(11);
    expect(ms).toBeGreaterThan(0);
    expect([classIds.length, scores.length, seeds.length, steps]).toEqual([0, 0, 0, undefined]);
  });

  test("the event loop goes on while it runs", async () => {
    const graph = await open();
    const [w, h] = [1500, 1500];
    const run = runGraph(graph, {
      image: new Uint8Array(w * h * 3),
      width: w,
      height: h,
      superpixels: 100,
      rows: 0,
      columns: 0,
    });
    let [longest, last, done] = [0, performance.now(), false];
    void run.finally(() => {
      done = true;
    });

    while (!done) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }

    expect((await run).ms).toBeGreaterThan(longest);
  });

  test("a run that fails is that run's error only", async () => {
    const graph = await open();
    const wrong = { ...request(12), height: height + 1 };

    const [bad, good] = await Promise.allSettled([runGraph(graph, wrong), runGraph(graph, request(12))]);

    const message = expect.stringContaining("64 x 49 pixels");
    expect(bad).toMatchObject({ status: "rejected", reason: { code: "MODEL_RUN_FAILED", message } });
    expect(good.status).toBe("fulfilled");
  });
});

describe("a thread that dies", () => {
  const worker = new URL("./fixtures/dying-worker.js", import.meta.url);

  test.each([
    ["exits", 1, "code 9"],
    ["throws", 2, "broken on purpose"],
  ])("when it %s, all that wait get an error, and the next run a new thread", async (_, superpixels, why) => {
    const graph = await open({ worker });

    const ends = await Promise.allSettled([graph.run(feeds(superpixels)), graph.run(feeds(superpixels))]);
    const after = graph.run(feeds(5));

    for (const end of ends) {
      expect(end).toMatchObject({
        reason: { code: "MODEL_WORKER_DIED", retryable: true, message: expect.stringContaining(why) },
      });
    }
    expect((await after).values["labels"]?.dims).toEqual([1, 1, 5]);
  });

  test("when it ends before it is ready, opening fails", async () => {
    const missing = new URL("./fixtures/no-such-worker.js", import.meta.url);

    await expect(open({ worker: missing })).rejects.toMatchObject({ code: "MODEL_LOAD_FAILED" });
  });
});

describe("close", () => {
  test("waits for the runs under way; later ones are refused", async () => {
    const graph = await open();
    const run = runGraph(graph, request(12));
    await Promise.resolve();

    await Promise.all([graph.close(), graph.close()]);

    expect((await run).labels.length).toBe(width * height);
    await expect(graph.run(feeds(12))).rejects.toMatchObject({ code: "MODEL_CLOSED" });
  });
});

describe("execution providers", () => {
  test("one that cannot be opened is an error of its own, unless another may take its place", async () => {
    const both = await open({ executionProviders: ["cuda", "cpu"] });
    if (both.provider === "cuda") return; // a machine with CUDA: nothing is refused
    expect(both.refused).toEqual([{ provider: "cuda", reason: expect.stringMatching(/./) }]);
    await both.close();

    const known = whyNoCuda();
    await expect(open({ executionProviders: ["cuda"] })).rejects.toMatchObject({
      code: "MODEL_PROVIDER_UNAVAILABLE",
      message: expect.stringContaining(known?.reason ?? "cuda: "),
    });
  });
});

test("bundled by esbuild, worker.js beside the bundle, it runs the same and lets the process end by itself", async () => {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  // Inside node_modules, so that the bundle's external packages are found; removed afterwards.
  const folder = await mkdtemp(path.join(root, "node_modules", ".clustseg-dist-"));
  try {
    await build({
      entryPoints: {
        main: path.join(root, "layers/model/open-model.ts"),
        worker: path.join(root, "layers/model/worker.js"),
      },
      outdir: path.join(folder, "dist"),
      bundle: true,
      platform: "node",
      format: "esm",
      packages: "external",
    });
    const script = `import { openModel } from "./dist/main.js";
      const model = await openModel(${JSON.stringify(tinyBundle)}, { threads: 1 });
      const data = new Uint8Array(48 * 32 * 3).fill(9);
      const { map } = await model.segment({ width: 48, height: 32, data }, { superpixels: 6 });
      console.log(map.segments);`;
    await writeFile(path.join(folder, "run.mjs"), script);

    const { stdout, stderr } = await promisify(execFile)(process.execPath, [path.join(folder, "run.mjs")], {
      timeout: 15_000,
    });

    expect(stderr).toBe("");
    expect(Number(stdout)).toBe(6);
  } finally {
    await rm(folder, { recursive: true });
  }
});
