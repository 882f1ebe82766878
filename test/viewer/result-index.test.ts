import { describe, expect, it } from "vitest";
import { encodeClaim } from "../../layers/pipeline/claim.js";
import { ResultIndex } from "../../layers/viewer/result-index.js";
import { listResults } from "../../layers/viewer/result-listing.js";
import type { IndexEntry, IndexLine } from "../../layers/viewer/wire.js";
import { gather } from "../pipeline/fixtures.js";
import { MemoryStore } from "../pipeline/memory-store.js";
import { drawScene, resultFilesOf } from "./scenes.js";

const addresses = { path: (_: string, number: number) => String(number), image: () => undefined };
const utf8 = new TextEncoder();

function superpixels(key: string, segments = 3): string {
  const rows = Array.from({ length: segments }, (_, i) => ({
    id: i + 1,
    area: 5,
    bbox: [0, 0, 1, 5],
    mean_color: [1, 2, 3],
  }));
  return JSON.stringify({
    schema: "clustseg.result/1",
    result_id: "0".repeat(32),
    source: { uri: "file:///images", key, etag: "1-a", size: 9 },
    frame: { width: 30, height: 20 },
    model: { name: "m", version: "1", sha256: "0".repeat(64) },
    task: "superpixel",
    parameters: { superpixels: 300 },
    formats: [],
    segments,
    segments_info: rows,
    categories: [],
    files: [],
  });
}

async function storeWith(documents: Readonly<Record<string, string>>): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const [key, text] of Object.entries(documents)) await store.put(key, utf8.encode(text));
  return store;
}

const entriesOf = (lines: readonly IndexLine[]) => lines.filter((line): line is IndexEntry => "key" in line);

describe("the listing of results", () => {
  it("finds what has a metadata.json, with the files beside it, and nothing else", async () => {
    const store = await storeWith({
      "a.jpg/metadata.json": "1",
      "a.jpg/segments.png": "2",
      "a.jpg/notes.txt": "not ours",
      "b/c.jpg/overlay.png": "no metadata yet",
      "b/c.jpg/segments.png": "3",
      "b/d.jpg/metadata.json": "4",
      "metadata.json": "not of an image",
      "report.json": "{}",
      "reports/r.json": "{}",
      "viewer/index.html": "",
    });

    const found = await gather(listResults(store));

    expect(found.map(({ key, files }) => [key, files])).toEqual([
      ["a.jpg", ["metadata.json", "segments.png"]],
      ["b/d.jpg", ["metadata.json"]],
    ]);
  });

  it("keeps the files of an image together whose name is the folder of another", async () => {
    const store = await storeWith({
      "a.jpg/b.jpg/metadata.json": "1",
      "a.jpg/b.jpg/segments.png": "1",
      "a.jpg/metadata.json": "2",
      "a.jpg/n.jpg/metadata.json": "3",
      "a.jpg/segments.png": "2",
      "a.jpgx/metadata.json": "4",
    });

    const found = await gather(listResults(store));

    expect(Object.fromEntries(found.map(({ key, files }) => [key, files]))).toEqual({
      "a.jpg": ["metadata.json", "segments.png"],
      "a.jpg/b.jpg": ["metadata.json", "segments.png"],
      "a.jpg/n.jpg": ["metadata.json"],
      "a.jpgx": ["metadata.json"],
    });
  });
});

describe("the index", () => {
  it("tells classes before the first result that has them, with counts and best scores", async () => {
    const store = new MemoryStore();
    const scene = drawScene(5);
    const source = { uri: "file:///images", key: "s.png", etag: "1-a", size: 9 };
    for (const [name, body] of await resultFilesOf(scene, source)) await store.put(`s.png/${name}`, body);

    const lines = await gather(new ResultIndex(store, addresses).lines());

    const [entry] = entriesOf(lines);
    expect(lines.indexOf(entry!)).toBe(lines.length - 1);
    expect(lines.slice(0, -1).map((line) => "category" in line && line.category.name)).toEqual(
      entry!.classes.map(([name]) => name),
    );
    const balloons = scene.segments.filter(({ category }) => category === 5);
    const best = Math.max(...balloons.map(({ score }) => score));
    expect(entry!.classes.find(([name]) => name === "balloon")).toEqual(["balloon", balloons.length, best]);
    expect(entry!.files).toEqual(["metadata.json", "segments.png", "steps.json", "steps.png"]);
  });

  it("reads only the head of a long table of superpixels, and all of what needs it", async () => {
    const store = await storeWith({
      "long.jpg/metadata.json": superpixels("long.jpg", 5000),
      // A name that looks like the end of the head.
      "evil.jpg/metadata.json": superpixels('a","segments_info":[{"x":1}],"y":"b'.repeat(20), 2),
    });
    const reads: (number | undefined)[] = [];
    const get = store.get.bind(store);
    store.get = (key, options) => {
      reads.push(options?.range?.end);
      return get(key, options);
    };

    const lines = await gather(new ResultIndex(store, addresses).lines());

    expect(entriesOf(lines).map(({ key, segments, width }) => [key, segments, width])).toEqual([
      ["evil.jpg", 2, 30],
      ["long.jpg", 5000, 30],
    ]);
    expect(reads).toEqual([8192, 8192]);
  });

  it("reads again only what has changed, and keeps the numbers", async () => {
    const store = await storeWith({
      "b.jpg/metadata.json": superpixels("b.jpg"),
      "c.jpg/metadata.json": superpixels("c.jpg"),
    });
    const index = new ResultIndex(store, addresses);
    await gather(index.lines());
    await store.put("a.jpg/metadata.json", utf8.encode(superpixels("a.jpg")));
    await store.put("c.jpg/metadata.json", utf8.encode(superpixels("c.jpg", 7)));
    let reads = 0;
    const get = store.get.bind(store);
    store.get = (key, options) => {
      reads++;
      return get(key, options);
    };

    const entries = entriesOf(await gather(index.lines()));

    expect(entries.map(({ key, path, segments }) => [key, path, segments])).toEqual([
      ["a.jpg", "2", 3],
      ["b.jpg", "0", 3],
      ["c.jpg", "1", 7],
    ]);
    expect(reads).toBe(2);
    expect(index.keyOf(2)).toBe("a.jpg");
    expect(index.keyOf(3)).toBeUndefined();
  });

  it("goes on after a result that cannot be read, and says which", async () => {
    const store = await storeWith({
      "a.jpg/metadata.json": "{",
      "b.jpg/metadata.json": JSON.stringify({ schema: "clustseg.result/9" }),
      "c.jpg/metadata.json": superpixels("c.jpg").replace('"width":30', '"width":-1'),
      "d.jpg/metadata.json": superpixels("d.jpg"),
    });

    const lines = await gather(new ResultIndex(store, addresses).lines());

    expect(lines.map((line) => ("problem" in line ? line.problem.key : "key" in line && line.key))).toEqual([
      "a.jpg",
      "b.jpg",
      "c.jpg",
      "d.jpg",
    ]);
  });

  it("passes over a result that was begun only, and tells it once it is finished", async () => {
    const store = await storeWith({ "a.jpg/metadata.json": superpixels("a.jpg") });
    const claim = encodeClaim({ result_id: "0".repeat(32), at: "2026-01-01T00:00:00.000Z", fresh: true });
    await store.put("b.jpg/metadata.json", claim);
    const index = new ResultIndex(store, addresses);

    const during = await gather(index.lines());
    await store.put("b.jpg/metadata.json", utf8.encode(superpixels("b.jpg")));
    const after = await gather(index.lines());

    expect(during).toHaveLength(1);
    expect(entriesOf(during).map(({ key }) => key)).toEqual(["a.jpg"]);
    expect(entriesOf(after).map(({ key }) => key)).toEqual(["a.jpg", "b.jpg"]);
  });

  it("ends with why, when the store fails", async () => {
    const store = await storeWith({ "a.jpg/metadata.json": superpixels("a.jpg") });
    store.list = async function* () {
      yield { key: "a.jpg/metadata.json", size: 1, etag: "x" };
      throw new Error("the disk is gone");
    };

    const lines = await gather(new ResultIndex(store, addresses).lines());

    expect(lines.at(-1)).toMatchObject({ problem: { message: expect.stringContaining("the disk is gone") } });
  });
});
