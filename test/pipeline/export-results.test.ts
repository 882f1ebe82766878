import { describe, expect, it } from "vitest";
import { encodeClaim } from "../../layers/pipeline/claim.js";
import { type ExportEvent, type ExportFormatName, exportResults } from "../../layers/pipeline/export-results.js";
import { compareKeys } from "../../layers/pipeline/keys.js";
import type { ObjectInfo, ObjectStore } from "../../layers/pipeline/ports.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { codecs, drawnSets, drawnStores, putDrawn } from "./drawn-results.js";
import { MemoryStore } from "./memory-store.js";

const { panoptic, semantic, superpixel } = drawnSets;
const square = ["pp", "pq"];

interface Coco {
  readonly images: { readonly id: number; readonly file_name: string }[];
  readonly annotations: { readonly id: number; readonly image_id: number; readonly segment_id: number }[];
}

async function storesWith(...keys: string[]) {
  const stores = await drawnStores();
  for (const key of keys) await putDrawn(stores, panoptic, key, square);
  return stores;
}
type Stores = Awaited<ReturnType<typeof storesWith>>;

const run = (stores: Stores, format: ExportFormatName = "coco", more = {}) =>
  exportResults({ stores, format, codecs, ...more });
const coco = async ({ out }: Stores) => JSON.parse(await out.text("instances.json")) as Coco;

describe("an export", () => {
  it("numbers images in the order of their keys, and annotations in that order, whatever the order they were made in", async () => {
    const stores = await storesWith("b.jpg", "a/z.jpg", "ü.jpg", "a.jpg");

    const report = await run(stores);

    const { images, annotations } = await coco(stores);
    const names = ["a.jpg", "a/z.jpg", "b.jpg", "ü.jpg"];
    expect(images.map(({ id, file_name }) => [id, file_name])).toEqual(names.map((name, i) => [i + 1, name]));
    expect(annotations.map(({ id, image_id, segment_id }) => [id, image_id, segment_id])).toEqual(
      names.flatMap((_, i) => [
        [2 * i + 1, i + 1, 1],
        [2 * i + 2, i + 1, 2],
      ]),
    );
    expect(report).toMatchObject({
      format: "coco",
      task: "panoptic",
      model: { name: "drawn-photo", version: "1.2.3" },
      images: { total: 4, exported: 4, failed: 0, unfinished: 0, other: 0 },
      segments: 8,
      files: ["instances.json"],
    });
  });

  it("gives the same bytes again, at any concurrency", async () => {
    const keys = Array.from({ length: 9 }, (_, i) => `${i}.jpg`);
    const [one, many] = [await storesWith(...keys), await storesWith(...[...keys].reverse())];

    await run(one, "label-studio", { concurrency: 1 });
    await run(many, "label-studio", { concurrency: 8 });

    expect(await many.out.text("tasks.json")).toBe(await one.out.text("tasks.json"));
  });

  it("moves the numbers behind an image that is added, and no others", async () => {
    const [before, after] = [await storesWith("a.jpg", "c.jpg"), await storesWith("a.jpg", "b.jpg", "c.jpg")];
    await run(before);
    await run(after);

    expect((await coco(before)).images.map(({ id }) => id)).toEqual([1, 2]);
    expect((await coco(after)).images.map(({ id, file_name }) => `${id} ${file_name}`)).toEqual([
      "1 a.jpg",
      "2 b.jpg",
      "3 c.jpg",
    ]);
  });

  it("passes over what is not finished, and counts it", async () => {
    const stores = await storesWith("a.jpg", "b.jpg", "b.jpg/c.jpg", "d.jpg", "e.jpg");
    const claim = encodeClaim({ result_id: "0".repeat(32), at: "2026-01-01T00:00:00.000Z", fresh: false });
    await stores.results.put("e.jpg/metadata.json", claim);
    await stores.results.delete("b.jpg/metadata.json");
    await stores.results.delete("d.jpg/metadata.json");
    await stores.results.put("report.json", new Uint8Array(2));
    await stores.results.put("reports/r-1.json", new Uint8Array(2));

    const report = await run(stores);

    expect(report.images).toMatchObject({ total: 2, exported: 2, unfinished: 3 });
    expect((await coco(stores)).images.map(({ file_name }) => file_name)).toEqual(["a.jpg", "b.jpg/c.jpg"]);
  });

  it("leaves out what is damaged, with a code, and the others keep their numbers", async () => {
    const stores = await storesWith("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg", "g.jpg");
    const { results } = stores;
    const edit = async (key: string, change: (text: string) => string) =>
      results.put(key, new TextEncoder().encode(change(await results.text(key))));
    await results.delete("a.jpg/segments.png");
    await results.put("b.jpg/segments.png", new Uint8Array([1, 2, 3]));
    await edit("c.jpg/metadata.json", (text) => text.slice(0, 500));
    await edit("d.jpg/metadata.json", (text) => text.replace('"area":27', '"area":26'));
    await edit("e.jpg/metadata.json", (text) => text.replace('"category_id":15', '"category_id":99'));
    await results.put("f.jpg/metadata.json", new TextEncoder().encode('{"somebody":"else\'s"}'));

    const report = await run(stores);

    expect(report.images).toMatchObject({ total: 7, exported: 1, failed: 6 });
    expect(report.failed_by_code).toEqual({ METADATA_INVALID: 2, OBJECT_NOT_FOUND: 1, SEGMENT_MAP_INVALID: 3 });
    expect(report.failed.map(({ key }) => key)).toEqual(["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg"]);
    expect(report.failed[3]).toMatchObject({ code: "SEGMENT_MAP_INVALID", hint: expect.stringContaining("--force") });
    expect((await coco(stores)).images).toEqual([{ id: 7, width: 6, height: 6, file_name: "g.jpg" }]);
  });

  it("refuses results of several kinds before it writes anything, and takes those asked for", async () => {
    const stores = await drawnStores(panoptic, superpixel);

    await expect(run(stores)).rejects.toMatchObject({
      code: "RESULTS_MIXED",
      message: expect.stringMatching(/panoptic by drawn-photo@1\.2\.3.*\(3 images\); superpixel by drawn-superpixel/),
    });
    expect(stores.out.writes).toEqual([]);
    const byTask = await run(stores, "coco", { task: "superpixel" });
    expect(byTask.images).toMatchObject({ total: 1, other: 3 });
    const byModel = await run(stores, "coco", { model: "drawn-photo@1.2.3" });
    expect(byModel.images).toMatchObject({ total: 3, other: 1 });
    await expect(run(stores, "coco", { model: "drawn-photo@2.0.0" })).rejects.toMatchObject({
      code: "RESULT_NOT_FOUND",
      message: expect.stringContaining("4 of other models or tasks"),
    });
  });

  it("is not fooled by an image that is called like a model", async () => {
    const stores = await storesWith();
    await putDrawn(stores, panoptic, '","model":{"name":"x","version":"1","sha256":"y"},"task":"semantic', square);

    expect(await run(stores)).toMatchObject({ task: "panoptic", images: { exported: 1 } });
  });

  it.each([
    ["an empty store", async () => {}, "there are no results"],
    [
      "one image's own result",
      async ({ results }: Stores) => results.put("metadata.json", new Uint8Array(1)),
      "of one image",
    ],
  ])("refuses %s", async (_, fill, message) => {
    const stores = await storesWith();
    await fill(stores);

    await expect(run(stores)).rejects.toMatchObject({
      code: "RESULT_NOT_FOUND",
      message: expect.stringContaining(message),
    });
  });

  it("tells how far it is", async () => {
    const stores = await storesWith("a.jpg", "b.jpg", "c.jpg");
    await stores.results.delete("b.jpg/segments.png");
    const events: ExportEvent[] = [];

    await run(stores, "csv", { onEvent: (event: ExportEvent) => events.push(event) });

    const counts = (done: number, failed: number) => ({ total: 3, done, failed });
    expect(events).toEqual([
      { type: "planned", counts: counts(0, 0) },
      { type: "item", counts: counts(1, 0) },
      { type: "item", counts: counts(2, 1) },
      { type: "item", counts: counts(3, 1) },
    ]);
  });

  it("stops at a signal, and leaves no file of the data set and nothing in staging", async () => {
    const stores = await storesWith("a.jpg", "b.jpg", "c.jpg");
    const stop = new AbortController();

    const stopped = run(stores, "coco", { signal: stop.signal, onEvent: () => stop.abort() });

    await expect(stopped).rejects.toMatchObject({ code: "RUN_CANCELLED" });
    expect(stores.out.writes).toEqual([]);
    expect([...stores.staging.objects.keys()]).toEqual([]);
  });

  it("fails as a whole when the store cannot be written, and leaves nothing in staging", async () => {
    const stores = await storesWith("a.jpg");
    stores.out.put = async () => {
      throw new ClustsegError("STORE_FULL", "no space left", { hint: "Free some." });
    };

    await expect(run(stores, "yolo")).rejects.toMatchObject({ code: "STORE_FULL" });
    expect([...stores.staging.objects.keys()]).toEqual([]);
  });
});

describe("formats that know images by their names without the extension", () => {
  it.each(["yolo", "voc"] as const)("%s leaves out the second of two that would be called alike", async (format) => {
    const stores = await storesWith("a.jpg", "a.jpg.x.png", "a.png", "a-b.jpg", "a", "ab.jpg", "d/a.jpg", "a.b.jpg");

    const report = await run(stores, format);

    expect(report.failed.map(({ key, code }) => `${key} ${code}`)).toEqual(["a.png FORMAT_LIMIT", "a FORMAT_LIMIT"]);
    expect(report.images).toMatchObject({ exported: 6, failed: 2 });
  });

  it("do not mind in other formats", async () => {
    const stores = await storesWith("a.jpg", "a.png");

    expect((await run(stores, "coco-panoptic")).images).toMatchObject({ exported: 2, failed: 0 });
  });
});

describe("formats that take the images", () => {
  it("refuse to do without, if they are made of them", async () => {
    const { images: _, ...stores } = await storesWith("a.jpg");

    await expect(exportResults({ stores, format: "cutouts", codecs })).rejects.toMatchObject({
      code: "USAGE",
      hint: expect.stringContaining("--images"),
    });
    const report = await exportResults({ stores, format: "yolo", codecs });
    expect(report.images.exported).toBe(1);
    expect([...stores.out.objects.keys()].sort()).toEqual(["data.yaml", "labels/a.txt"]);
  });

  it("leave out an image that is not there, or is another one", async () => {
    const stores = await storesWith("a.jpg", "b.jpg", "c.jpg");
    await stores.images.delete("a.jpg");
    await stores.images.put("b.jpg", new Uint8Array(10));

    const report = await run(stores, "cutouts");

    expect(report.failed.map(({ key, code }) => `${key} ${code}`)).toEqual([
      "a.jpg OBJECT_NOT_FOUND",
      "b.jpg OBJECT_CHANGED",
    ]);
    expect([...stores.out.objects.keys()]).toEqual(["c.jpg/0001-person.png", "c.jpg/0002-person.png"]);
  });

  it("cut out the largest only, where there are more than asked for", async () => {
    const stores = await drawnStores(semantic);

    await run(stores, "cutouts", { maxCutouts: 2 });

    const names = [...stores.out.objects.keys()].filter((key) => key.startsWith("1.png/"));
    expect(names).toEqual(["1.png/0001-sky.png", "1.png/0003-road.png"]);
  });
});

it("voc refuses superpixels, which have no classes", async () => {
  await expect(run(await drawnStores(superpixel), "voc")).rejects.toMatchObject({ code: "FORMAT_UNSUITABLE" });
});

it("label-studio takes the address of the images", async () => {
  const stores = await storesWith("a b/c#1.jpg");

  await run(stores, "label-studio", { imageUrl: "https://example.org/i/" });

  const [task] = JSON.parse(await stores.out.text("tasks.json"));
  expect(task.data.image).toBe("https://example.org/i/a%20b/c%231.jpg");
});

describe("an export of many images", () => {
  const count = 1000;

  /** As many results as one likes, of which none is held: they are made when they are read. */
  async function endless(): Promise<{ readonly store: ObjectStore; readonly read: () => number }> {
    const { results } = await storesWith("x");
    const file = async (name: string) => (await results.get(`x/${name}`)).body;
    const files = new Map([
      ["metadata.json", await file("metadata.json")],
      ["segments.png", await file("segments.png")],
    ]);
    let read = 0;
    const store = new MemoryStore("memory:///endless/");
    store.get = async (key, { range } = {}) => {
      const name = key.slice(key.lastIndexOf("/") + 1);
      if (name === "segments.png") read++;
      const body = files.get(name)!;
      return {
        body: range === undefined ? body : body.slice(range.start, range.end),
        info: { key, size: 0, etag: "" },
      };
    };
    store.list = async function* (): AsyncGenerator<ObjectInfo> {
      const keys = Array.from({ length: count }, (_, i) => `${String(i).padStart(5, "0")}.jpg`).sort(compareKeys);
      for (const key of keys) for (const name of files.keys()) yield { key: `${key}/${name}`, size: 1, etag: "" };
    };
    return { store, read: () => read };
  }

  /** A store that takes lines one by one, and tells `onLine` of each as it comes. */
  function watched(uri: string, onLine: (line: string, number: number) => void): MemoryStore {
    const store = new MemoryStore(uri);
    store.putLines = async (key, lines) => {
      const kept: string[] = [];
      for await (const line of lines) {
        kept.push(line);
        onLine(line, kept.length);
      }
      await store.put(key, new TextEncoder().encode(kept.map((line) => `${line}\n`).join("")));
    };
    return store;
  }

  it("reads no more than a few results ahead of the line that is written, and lines only as they are wanted", async () => {
    const { store, read } = await endless();
    let furthest = 0;
    let exported = 0;
    const staging = watched("memory:///staging/", (line) => {
      if (line.startsWith("i")) exported++;
      furthest = Math.max(furthest, read() - exported);
    });
    let handed = 0;
    const { lines } = staging;
    staging.lines = async function* (key) {
      for await (const line of lines.call(staging, key)) {
        handed++;
        yield line;
      }
    };
    let before = 0;
    let most = 0;
    const out = watched("memory:///out/", () => {
      most = Math.max(most, handed - before);
      before = handed;
    });

    const report = await exportResults({
      stores: { results: store, out, staging },
      format: "coco",
      codecs,
      concurrency: 4,
    });

    expect(report.images.exported).toBe(count);
    expect(furthest).toBeLessThanOrEqual(5);
    // Each result keeps a line for its image and one for each of two segments; both lists are read to their ends.
    expect(handed).toBe(2 * 3 * count);
    expect(most).toBeLessThanOrEqual(6);
  });
});
