import { describe, expect, it } from "vitest";
import { intake } from "../../layers/pipeline/intake.js";
import { stagingKeys } from "../../layers/pipeline/keys.js";
import { decodePack, encodePack, type PackItem } from "../../layers/pipeline/pack.js";
import { plan } from "../../layers/pipeline/plan.js";
import { publishShard } from "../../layers/pipeline/publish-shard.js";
import { segmentShard } from "../../layers/pipeline/segment-shard.js";
import { summarize } from "../../layers/pipeline/summarize.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { blockSegmenter } from "./block-segmenter.js";
import { storesWith } from "./fixtures.js";

describe("the stages, each for itself, as the cloud calls them", () => {
  it("segment, then publish, then summarize", async () => {
    const { stores, staging, results, request, planned, keys } = await segmented(10);

    const published = await publishShard({ stores, request, shard: "00000" });
    const report = await summarize({ stores, request, plan: planned });

    expect(published).toEqual({ outcomes: 10, missing: 0 });
    expect([...staging.objects.keys()].filter((key) => key.startsWith(keys.packs))).toEqual([]);
    expect(results.objects.has("a/009.png/metadata.json")).toBe(true);
    expect(report.items).toMatchObject({ segmented: 10, pending: 0 });
    const lines = (await results.text(report.items_file)).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).key)).toHaveLength(10);
  });

  it("may each be repeated: nothing is segmented or written twice", async () => {
    const { stores, results, request, planned, segmenter } = await segmented(10);
    await publishShard({ stores, request, shard: "00000" });
    const calls = segmenter.calls;
    results.writes.length = 0;

    const progress = await segmentShard({ stores, request, segmenter, shard: "00000" });
    const published = await publishShard({ stores, request, shard: "00000" });
    const report = await summarize({ stores, request, plan: planned });

    expect(progress).toEqual({ items: 10, done: 10, complete: true });
    expect(segmenter.calls).toBe(calls);
    expect(published.missing).toBe(0);
    expect(results.writes.every((key) => key.startsWith("report"))).toBe(true);
    expect(report.items.segmented).toBe(10);
  });

  it("tell how many images are missing, and go on with a shard that has some", async () => {
    const { stores, staging, request, keys, segmenter } = await segmented(10);
    staging.objects.delete(keys.pack("00000", 1));

    expect(await publishShard({ stores, request, shard: "00000" })).toEqual({ outcomes: 6, missing: 4 });
    await segmentShard({ stores, request, segmenter, shard: "00000" });
    expect(await publishShard({ stores, request, shard: "00000" })).toEqual({ outcomes: 10, missing: 0 });
    expect(segmenter.calls).toBe(14);
  });

  it("drop a damaged pack and segment its images again", async () => {
    const { stores, staging, request, keys, segmenter } = await segmented(10);
    const { body } = await staging.get(keys.pack("00000", 0));
    await staging.put(keys.pack("00000", 0), body.subarray(0, 300));

    await expect(publishShard({ stores, request, shard: "00000" })).rejects.toMatchObject({ code: "PACK_DAMAGED" });
    const progress = await segmentShard({ stores, request, segmenter, shard: "00000" });

    expect(progress.complete).toBe(true);
    expect(segmenter.calls).toBe(14);
    expect((await publishShard({ stores, request, shard: "00000" })).missing).toBe(0);
  });

  it("take the first of two outcomes when two workers had the same shard", async () => {
    const { stores, staging, request, planned, keys, segmenter } = await segmented(0, 10);

    await Promise.all([1, 2].map(() => segmentShard({ stores, request, segmenter, shard: "00000", packItems: 3 })));
    await publishShard({ stores, request, shard: "00000" });
    const report = await summarize({ stores, request, plan: planned });

    expect(report.items).toMatchObject({ segmented: 10, pending: 0 });
    expect((await staging.text(keys.shardOutcomes("00000"))).trim().split("\n")).toHaveLength(10);
  });
});

describe("publishShard", () => {
  it.each<[string, (item: PackItem) => PackItem]>([
    [
      "of an image that is not in the shard",
      ({ outcome, files }) => ({ outcome: { ...outcome, key: "other.png" }, files }),
    ],
    ["with another result_id", ({ outcome, files }) => ({ outcome: { ...outcome, result_id: "0".repeat(32) }, files })],
    [
      "whose mask is not a PNG",
      ({ outcome, files }) => ({ outcome, files: new Map(files).set("segments.png", new Uint8Array(20)) }),
    ],
    [
      "with a file that metadata.json does not list",
      ({ outcome, files }) => ({ outcome, files: new Map(files).set("segments.csv", new Uint8Array(20)) }),
    ],
    [
      "with another image's metadata.json",
      ({ outcome, files }) => ({ outcome: { ...outcome, key: "a/000.png", etag: "v0" }, files }),
    ],
  ])("refuses a result %s, and publishes nothing of its pack", async (_, forge) => {
    const { stores, staging, results, request, keys } = await segmented(4);
    const pack = await decodePack((await staging.get(keys.pack("00000", 0))).body);
    const forged = pack.items.map((item, i) => (i === 3 ? forge(item) : item));
    await staging.put(keys.pack("00000", 0), await encodePack({ ...pack, items: forged }));

    await expect(publishShard({ stores, request, shard: "00000" })).rejects.toMatchObject({
      code: "PACK_FILE_REFUSED",
    });
    expect(results.writes).toEqual([]);
  });

  it("refuses a metadata.json whose segments are not 1..n", async () => {
    const { stores, staging, results, request, keys } = await segmented(1);
    const pack = await decodePack((await staging.get(keys.pack("00000", 0))).body);
    const forged = pack.items.map(({ outcome, files }) => {
      const text = new TextDecoder().decode(files.get("metadata.json")).replace('"id":2', '"id":3');
      return { outcome, files: new Map(files).set("metadata.json", new TextEncoder().encode(text)) };
    });
    await staging.put(keys.pack("00000", 0), await encodePack({ ...pack, items: forged }));

    await expect(publishShard({ stores, request, shard: "00000" })).rejects.toMatchObject({ code: "METADATA_INVALID" });
    expect(results.writes).toEqual([]);
  });

  it("refuses a pack of another shard", async () => {
    const { stores, staging, request, keys } = await segmented(4);
    const pack = await decodePack((await staging.get(keys.pack("00000", 0))).body);
    await staging.put(keys.pack("00000", 0), await encodePack({ ...pack, shard: "00001" }));

    await expect(publishShard({ stores, request, shard: "00000" })).rejects.toMatchObject({ code: "PACK_DAMAGED" });
  });

  it("lets no metadata.json vouch for a mixture of old and new files, whenever it is cut short", async () => {
    for (let failAt = 1; failAt <= 3; failAt++) {
      const { stores, results, request } = await segmented(1);
      const old = {
        "segments.png": "old mask",
        "overlay.png": "old overlay",
        "metadata.json": `{"schema":"clustseg.result/1","result_id":"${"1".repeat(32)}"}`,
      };
      for (const [name, text] of Object.entries(old))
        await results.put(`a/000.png/${name}`, new TextEncoder().encode(text));
      const put = results.put.bind(results);
      let puts = 0;
      results.put = async (...args) => {
        if (++puts === failAt) throw new ClustsegError("STORE_FULL", "full", { hint: "" });
        return put(...args);
      };

      await publishShard({ stores, request, shard: "00000" }).catch((error: ClustsegError) => {
        expect(error.code).toBe("STORE_FULL");
        expect(results.objects.has("a/000.png/metadata.json")).toBe(false);
      });
      await publishShard({ stores, request, shard: "00000" });

      expect([...results.objects.keys()]).toEqual(["a/000.png/segments.png", "a/000.png/metadata.json"]);
      expect(await results.text("a/000.png/metadata.json")).toContain('"key":"a/000.png"');
    }
  });
});

describe("summarize", () => {
  it("stays small, whatever the number of rejected images", async () => {
    const { stores, uploads, results } = await storesWith(0);
    for (let i = 0; i < 400; i++) await uploads.put(`${i}.png`, new TextEncoder().encode("bad"));
    const { request, planned } = await prepare(stores);
    await segmentShard({ stores, request, segmenter: blockSegmenter(), shard: "00000" });
    await publishShard({ stores, request, shard: "00000" });
    const clock = { now: () => Date.parse(request.created_at) + 8000 };

    const report = await summarize({ stores, request, plan: planned, clock });

    expect(report).toMatchObject({
      items: { rejected: 400 },
      rejected_by_code: { IMAGE_DAMAGED: 400 },
      seconds: 8,
      images_per_second: 50,
    });
    expect(report.rejected).toHaveLength(100);
    expect((await results.text(report.items_file)).trim().split("\n")).toHaveLength(400);
  });
});

async function prepare(stores: Awaited<ReturnType<typeof storesWith>>["stores"]) {
  const segmenter = blockSegmenter();
  const request = await intake({
    stores,
    source: { kind: "prefix", prefix: "" },
    model: segmenter.model,
    task: "superpixel",
    parameters: { block: 8 },
  });
  const planned = await plan({ stores, request });
  return { segmenter, request, planned, keys: stagingKeys(request.run_id) };
}

/** A run of one shard with `count` images segmented, four in a pack, none published, and `more` not segmented. */
async function segmented(count: number, more = 0) {
  const made = await storesWith(count + more);
  const prepared = await prepare(made.stores);
  const { request, segmenter } = prepared;
  if (count > 0)
    await segmentShard({ stores: made.stores, request, segmenter, shard: "00000", packItems: 4, concurrency: 1 });
  return { ...made, ...prepared };
}
