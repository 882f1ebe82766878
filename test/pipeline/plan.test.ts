import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { intake } from "../../layers/pipeline/intake.js";
import { readOutcomes } from "../../layers/pipeline/json-lines.js";
import { stagingKeys } from "../../layers/pipeline/keys.js";
import { plan } from "../../layers/pipeline/plan.js";
import { readShard } from "../../layers/pipeline/shard.js";
import { blockSegmenter } from "./block-segmenter.js";
import { gather, imageBytes, startRun, storesWith } from "./fixtures.js";

type Stores = Awaited<ReturnType<typeof storesWith>>;

describe("plan", () => {
  it("puts each image into exactly one shard or the skipped ones, in order, within the limits", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          count: fc.integer({ min: 1, max: 30 }),
          shardItems: fc.integer({ min: 1, max: 8 }),
          shardBytes: fc.integer({ min: 50, max: 600 }),
        }),
        fc.array(fc.nat(29), { maxLength: 10 }),
        async ({ count, shardItems, shardBytes }, done) => {
          const made = await storesWith(count);
          const keys = Array.from({ length: count }, (_, i) => `a/${String(i).padStart(3, "0")}.png`);
          const finished = [...new Set(done)].filter((i) => i < count).map((i) => keys[i]!);
          if (finished.length > 0) await startRun(made.stores, { source: { kind: "keys", keys: finished } });

          const { planned, shards, skipped } = await planOf(made, { shardItems, shardBytes });

          expect(skipped.map(({ key }) => key)).toEqual([...finished].sort());
          expect(shards.flat().map(({ key }) => key)).toEqual(keys.filter((key) => !finished.includes(key)));
          expect(planned).toMatchObject({ items: count, skipped: finished.length });
          for (const [i, shard] of shards.entries()) {
            const bytes = shard.reduce((sum, { size }) => sum + size, 0);
            expect(planned.shards[i]).toMatchObject({ items: shard.length, bytes });
            expect(shard.length).toBeLessThanOrEqual(shardItems);
            expect(bytes <= shardBytes || shard.length === 1).toBe(true);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("is made once: asked again for the same manifest it is returned, and made anew when the source changed", async () => {
    const made = await storesWith(6);
    const first = await planOf(made, { shardItems: 4 });
    made.staging.writes.length = 0;
    const again = await planOf(made, { shardItems: 4 });
    expect(again.planned).toEqual(first.planned);
    expect(made.staging.writes.filter((key) => key.includes("/shards/"))).toEqual([]);

    await made.uploads.put("b.png", imageBytes(7));
    const changed = await planOf(made, { shardItems: 4 });

    expect(changed.planned.items).toBe(7);
  });

  it("does not read results one by one when there are none", async () => {
    const made = await storesWith(20);
    await made.results.put("report.json", new Uint8Array(1));
    let reads = 0;
    made.results.get = async () => {
      reads++;
      throw new Error("no");
    };

    await planOf(made, {});

    expect(reads).toBe(0);
  });

  it("reads at most as many results at once as it may", async () => {
    const made = await storesWith(60);
    await startRun(made.stores);
    const get = made.results.get.bind(made.results);
    let now = 0;
    let most = 0;
    made.results.get = async (...args) => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      return get(...args).finally(() => now--);
    };

    const { planned } = await planOf(made, { concurrency: 5 });

    expect(planned.skipped).toBe(60);
    expect(most).toBe(5);
  });

  it("does not take a metadata.json that is cut short or of another version for a result", async () => {
    const made = await storesWith(3);
    await startRun(made.stores);
    await made.results.put(
      "a/000.png/metadata.json",
      new TextEncoder().encode('{"schema":"clustseg.result/1","result_id":"00'),
    );
    await made.results.put("a/001.png/metadata.json", new TextEncoder().encode('{"schema":"clustseg.result/9"}'));

    expect((await planOf(made, {})).planned.skipped).toBe(1);
  });

  it("does not take a result for current whose segments.png was deleted or is empty, and it is made again", async () => {
    const made = await storesWith(4);
    await startRun(made.stores);
    const before = await made.results.get("a/001.png/segments.png");
    await made.results.delete("a/001.png/segments.png");
    await made.results.put("a/002.png/segments.png", new Uint8Array(0));

    const { report } = await startRun(made.stores);

    expect(report.items).toMatchObject({ total: 4, segmented: 2, skipped: 2 });
    expect((await made.results.get("a/001.png/segments.png")).body).toEqual(before.body);
    expect((await made.results.head("a/002.png/segments.png"))?.size).toBeGreaterThan(0);
  });

  it("looks at the mask of what has a current metadata.json only, once", async () => {
    const made = await storesWith(5);
    await startRun(made.stores, { source: { kind: "keys", keys: ["a/001.png", "a/003.png"] } });
    const head = made.results.head.bind(made.results);
    const looked: string[] = [];
    made.results.head = async (key) => {
      // This store's listing asks head as well.
      if (!key.endsWith("/metadata.json")) looked.push(key);
      return head(key);
    };

    await planOf(made, {});

    expect(looked.sort()).toEqual(["a/001.png/segments.png", "a/003.png/segments.png"]);
  });

  it("refuses a manifest with a line that is none", async () => {
    const made = await storesWith(1);
    const request = await intake({ stores: made.stores, ...task });
    await made.staging.put(stagingKeys(request.run_id).manifest, new TextEncoder().encode('{"key":"a.png"}\n'));

    await expect(plan({ stores: made.stores, request })).rejects.toMatchObject({ code: "MANIFEST_INVALID" });
  });
});

const task = {
  source: { kind: "prefix", prefix: "" },
  model: blockSegmenter().model,
  task: "superpixel",
  parameters: { block: 8 },
} as const;

async function planOf(
  { stores, staging }: Stores,
  options: { shardItems?: number; shardBytes?: number; concurrency?: number },
) {
  const request = await intake({ stores, ...task, ...options });
  const planned = await plan({ stores, request, concurrency: options.concurrency ?? 4 });
  const shards = await Promise.all(planned.shards.map(({ shard }) => readShard(staging, request.run_id, shard)));
  const skipped =
    planned.skipped === 0 ? [] : await gather(readOutcomes(staging, stagingKeys(request.run_id).skipped(0)));
  return { planned, shards, skipped };
}
