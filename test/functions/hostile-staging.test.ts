import { describe, expect, it } from "vitest";
import { runOutcomes } from "../../bin/cloud/run-outcomes.js";
import { runProgress } from "../../bin/cloud/run-progress.js";
import { checkResultFiles } from "../../layers/model/check-files.js";
import { encodeIds } from "../../layers/model/encode.js";
import { stagingKeys } from "../../layers/pipeline/keys.js";
import { decodePack, encodePack, type PackItem } from "../../layers/pipeline/pack.js";
import { publishedOutcomes } from "../../layers/pipeline/published-outcomes.js";
import { readShard, readShardState } from "../../layers/pipeline/shard.js";
import { sumShardCounts } from "../../layers/pipeline/shard-counts.js";
import type { FileCheck } from "../../layers/pipeline/validate-item.js";
import { segmentMapFromIds } from "../../layers/segments/segment-map.js";
import { gather, imageBytes } from "../pipeline/fixtures.js";
import { inProcessCloud } from "./in-process-cloud.js";

const utf8 = new TextEncoder();

/** What a container that was taken over by a hostile image might leave in staging. */
describe("publish, of a pack that somebody has tampered with", () => {
  it.each<[string, (item: PackItem) => PackItem]>([
    [
      "names an image that is not in the shard",
      ({ outcome, files }) => ({ outcome: { ...outcome, key: "../../x.png" }, files }),
    ],
    [
      "has another result's id",
      ({ outcome, files }) => ({ outcome: { ...outcome, result_id: "0".repeat(32) }, files }),
    ],
    ["tells another version", edited((text) => text.replace(/"version_id":"[^"]+"/, '"version_id":"version-9"'))],
    [
      "tells another sequencer, to be the latest for ever",
      edited((text) => text.replace(/"sequencer":"/, '"sequencer":"FF')),
    ],
    [
      "is of the future, to be the latest for ever",
      edited((text) => text.replace(/"last_modified":"2026/, '"last_modified":"2126')),
    ],
    ["tells another model", edited((text) => text.replaceAll("abababab", "cdcdcdcd"))],
    ["tells another source", edited((text) => text.replace("s3://uploads/", "s3://others/"))],
    ["hides its id from the first bytes", edited((text) => text.replace('{"schema"', '{ "schema"'))],
    ["has segments that are none", edited((text) => text.replace('"id":2', '"id":7'))],
    [
      "counts objects that are none",
      ({ outcome, files }) => ({
        outcome: outcome.status === "segmented" ? { ...outcome, objects: 9 } : outcome,
        files,
      }),
    ],
    ["is no JSON", edited((text) => text.slice(0, -40))],
    ["tells a frame of another size", edited((text) => text.replace('"height":1', '"height":2'))],
  ])("that %s: nothing of it is published, its images are segmented again", async (_, tamper) => {
    const { cloud, runId, key } = await segmented();
    const pack = await decodePack((await cloud.staging.get(key)).body);
    await cloud.staging.put(
      key,
      await encodePack({ ...pack, items: pack.items.map((item, i) => (i === 0 ? tamper(item) : item)) }),
    );

    const published = await cloud.publish({ pipeline: "blocks", run_id: runId, shard: "00000" });

    expect(published).toEqual({ shard: "00000", outcomes: 0, missing: 2 });
    expect(cloud.results.writes).toEqual([]);
    expect(await cloud.staging.head(key)).toBeUndefined();
    expect(await cloud.execute(runId, { pipeline: "blocks", run_id: runId })).toMatchObject({
      status: "completed",
      items: { segmented: 2 },
    });
  });

  it.each([
    ["is cut short", (bytes: Uint8Array) => bytes.subarray(0, 200)],
    ["has a byte changed", (bytes: Uint8Array) => bytes.with(300, bytes[300]! ^ 1)],
    ["is something else", () => utf8.encode("hello")],
    ["is empty", () => new Uint8Array()],
  ])("that %s: the same", async (_, tamper) => {
    const { cloud, runId, key } = await segmented();
    await cloud.staging.put(key, tamper((await cloud.staging.get(key)).body));

    expect(await cloud.publish({ pipeline: "blocks", run_id: runId, shard: "00000" })).toMatchObject({ missing: 2 });
    expect(cloud.results.writes).toEqual([]);
  });

  it("whose mask is not what the list of segments says: the same", async () => {
    const { cloud, runId, key } = await segmented(checkResultFiles);
    const pack = await decodePack((await cloud.staging.get(key)).body);
    const mask = await encodeIds(segmentMapFromIds(new Uint16Array(64).fill(1), 64, 1));
    const items = pack.items.map((item) => withMask(item, mask));
    await cloud.staging.put(key, await encodePack({ ...pack, items }));

    expect(await cloud.publish({ pipeline: "blocks", run_id: runId, shard: "00000" })).toMatchObject({ missing: 2 });
    expect(cloud.results.writes).toEqual([]);
  });

  it("says in its error what would fill a log: the same", async () => {
    const { cloud, runId, key } = await segmented();
    const pack = await decodePack((await cloud.staging.get(key)).body);
    const [first] = pack.items;
    const { key: image, etag, result_id } = first!.outcome;
    const error = { code: "IMAGE_DAMAGED", message: "x".repeat(1e6), hint: "", retryable: false };
    const items: PackItem[] = [
      { outcome: { key: image, etag, result_id, status: "rejected", error }, files: new Map() },
    ];
    await cloud.staging.put(key, await encodePack({ ...pack, items }));

    expect(await cloud.publish({ pipeline: "blocks", run_id: runId, shard: "00000" })).toMatchObject({ missing: 2 });
  });
});

describe("a staging with keys that a pattern takes for a pack's", () => {
  /** Below the run's root: each matches what a policy would call "packs/", or is the like of what somebody reads. */
  const forged = [
    "outcomes/packs/x.jsonl",
    "outcomes/packs/00000/0000.pack",
    "outcomes/00000/packs/0.jsonl",
    "outcomes/00000/packs/0000.jsonl",
    "outcomes/00000.jsonl/packs/0000.jsonl",
    "outcomes/skipped-0/packs/0000.pack",
    "outcomes/stop.json",
    "counts/packs/9.0.100000",
    "counts/packs/00009.0.100000",
    "packs/00000/0000.jsonl",
    "packs/00000/x/0007.pack",
  ];

  async function withForgedKeys() {
    const { cloud, runId } = await segmented();
    const { root } = stagingKeys(runId);
    const error = { code: "IMAGE_DAMAGED", message: "not at all", hint: "", retryable: false };
    const lines = (await readShard(cloud.staging, runId, "00000"))
      .map(({ key, etag }) => ({ key, etag, result_id: "0".repeat(32), status: "rejected", error }))
      .map((outcome) => `${JSON.stringify(outcome)}\n`)
      .join("");
    for (const name of forged) await cloud.staging.put(`${root}${name}`, utf8.encode(lines));
    return { cloud, runId };
  }

  it("is believed nothing of: not what was published, not what is done, not what was rejected", async () => {
    const { cloud, runId } = await withForgedKeys();
    const gathered = async (outcomes: AsyncIterable<unknown>) => (await gather(outcomes)).length;

    const planned = await cloud.plan(runId);
    const state = await readShardState(cloud.staging, runId, "00000", { dropDamaged: true });
    const progress = await runProgress(cloud.staging, runId);

    expect(planned).toMatchObject({ route: "batch", shards: 1, items: 2 });
    expect(await gathered(publishedOutcomes(cloud.staging, runId))).toBe(0);
    expect(await gathered(runOutcomes(cloud.results, cloud.staging, runId))).toBe(0);
    expect(await sumShardCounts(cloud.staging, runId)).toEqual({ segmented: 0, rejected: 0 });
    expect([...state.outcomes.values()].map(({ status }) => status)).toEqual(["segmented", "segmented"]);
    expect([state.complete, state.packs, state.nextPack]).toEqual([false, [0], 1]);
    expect(progress).toMatchObject({ counts: { done: 2, segmented: 2, rejected: 0 }, shards: { done: 0 }, packs: 1 });
  });

  it("does not keep a run from its results, and its report tells of those", async () => {
    const { cloud, runId } = await withForgedKeys();

    const published = await cloud.publish({ pipeline: "blocks", run_id: runId, shard: "00000" });
    const counted = await sumShardCounts(cloud.staging, runId);
    const summary = await cloud.execute(runId, { pipeline: "blocks", run_id: runId });

    expect(published).toEqual({ shard: "00000", outcomes: 2, missing: 0 });
    expect(counted).toEqual({ segmented: 2, rejected: 0 });
    expect(summary).toMatchObject({ status: "completed", items: { segmented: 2, rejected: 0 } });
    expect(cloud.outcomes.map(({ status }) => status)).toEqual(["segmented", "segmented"]);
  });
});

function edited(edit: (text: string) => string): (item: PackItem) => PackItem {
  return ({ outcome, files }) => {
    const text = new TextDecoder().decode(files.get("metadata.json"));
    expect(edit(text)).not.toBe(text);
    return { outcome, files: new Map(files).set("metadata.json", utf8.encode(edit(text))) };
  };
}

/** Another mask, and its size in metadata.json. */
function withMask(item: PackItem, mask: Uint8Array): PackItem {
  const resized = edited((text) =>
    text.replace(/"name":"segments.png","bytes":\d+/, `"name":"segments.png","bytes":${mask.length}`),
  )(item);
  return { outcome: resized.outcome, files: new Map(resized.files).set("segments.png", mask) };
}

/** A run of two images, in one pack that waits to be published. */
async function segmented(checkFiles?: FileCheck) {
  const cloud = inProcessCloud({ versioned: true, ...(checkFiles === undefined ? {} : { checkFiles }) });
  const events = [
    await cloud.uploads.upload("0.png", imageBytes(0)),
    await cloud.uploads.upload("1.png", imageBytes(64)),
  ];
  const [run] = await cloud.receive(events);
  const runId = run!.run;
  await cloud.plan(runId);
  await cloud.segment(runId, "00000");
  return { cloud, runId, key: stagingKeys(runId).pack("00000", 0) };
}
