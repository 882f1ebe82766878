import { describe, expect, it } from "vitest";
import { runProgress, shardCounts } from "../../bin/cloud/run-progress.js";
import { intake } from "../../layers/pipeline/intake.js";
import { decodePack } from "../../layers/pipeline/pack.js";
import { plan } from "../../layers/pipeline/plan.js";
import { publishShard } from "../../layers/pipeline/publish-shard.js";
import { segmentShard } from "../../layers/pipeline/segment-shard.js";
import { blockSegmenter } from "../pipeline/block-segmenter.js";
import { storesWith } from "../pipeline/fixtures.js";
import { MemoryStore } from "../pipeline/memory-store.js";

/** A run of six images in two shards, of which the first is segmented, in packs of one image. */
async function prepare() {
  const { stores, staging } = await storesWith(6);
  const segmenter = blockSegmenter();
  const request = await intake({
    stores,
    source: { kind: "prefix", prefix: "" },
    model: segmenter.model,
    task: "superpixel",
    parameters: { block: 8 },
    shardItems: 3,
  });
  await plan({ stores, request });
  await segmentShard({ stores, request, shard: "00000", segmenter, packItems: 1 });
  return { stores, staging, request, runId: request.run_id };
}

describe("progress from staging", () => {
  it("is none for a run that is not there, and without counts for one that is not planned", async () => {
    const { staging, runId } = await prepare();
    await staging.delete(`runs/${runId}/plan.json`);

    expect(await runProgress(new MemoryStore(), "s-none")).toBeUndefined();
    expect(await runProgress(staging, runId)).toMatchObject({ counts: undefined });
  });

  it("counts images in packs, and the same ones once when they are published and their packs are not yet gone", async () => {
    const { stores, staging, request, runId } = await prepare();
    const packs = [...staging.objects].filter(([key]) => key.includes("/packs/"));

    const waiting = await runProgress(staging, runId);
    await publishShard({ stores, request, shard: "00000" });
    const published = await runProgress(staging, runId);
    for (const [key, { body }] of packs) await staging.put(key, body);
    await staging.delete(`runs/${runId}/outcomes/00000.jsonl`);
    const [key, { body }] = packs[0]!;
    await staging.put(key.replace("/packs/", "/outcomes/").replace(".pack", ".jsonl"), await outcomesOf(body));
    const both = await runProgress(staging, runId);

    expect(waiting).toMatchObject({
      counts: { total: 6, done: 3, segmented: 3 },
      shards: { total: 2, done: 0 },
      packs: 3,
    });
    expect(published).toMatchObject({ counts: { done: 3 }, shards: { done: 1 }, packs: 0 });
    expect(both).toMatchObject({ counts: { done: 3 }, shards: { done: 0 }, packs: 3 });
  });

  it("takes no notice of a pack that is damaged", async () => {
    const { staging, runId } = await prepare();
    const [key] = [...staging.objects.keys()].filter((one) => one.includes("/packs/"));
    await staging.put(key!, new Uint8Array(40));

    expect(await runProgress(staging, runId)).toMatchObject({ counts: { done: 2 }, packs: 3 });
  });

  it("opens each object once, for however long it is watched", async () => {
    const { staging, runId } = await prepare();
    const counted = new Map();
    await runProgress(staging, runId, counted);
    const read: string[] = [];
    const watched = Object.assign(Object.create(staging) as MemoryStore, {
      get: (key: string) => {
        read.push(key);
        return staging.get(key);
      },
    });

    const again = await runProgress(watched, runId, counted);

    expect(again?.counts?.done).toBe(3);
    expect(read).toEqual([`runs/${runId}/plan.json`]);
  });

  it("counts a shard once, by what was said of it last", async () => {
    const store = new MemoryStore();
    for (const name of ["00000.2.1", "00000.3.1", "00001.0.0", "00002.5", "x.1.1"]) {
      await store.put(`runs/r/counts/${name}`, new Uint8Array(1));
    }

    expect([...(await shardCounts(store, "runs/r/counts/"))]).toEqual([
      ["00000", { segmented: 3, rejected: 1 }],
      ["00001", { segmented: 0, rejected: 0 }],
    ]);
  });
});

/** What publish writes of a pack of one image. */
async function outcomesOf(pack: Uint8Array): Promise<Uint8Array> {
  const { items } = await decodePack(pack);
  return new TextEncoder().encode(items.map(({ outcome }) => `${JSON.stringify(outcome)}\n`).join(""));
}
