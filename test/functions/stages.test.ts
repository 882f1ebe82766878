import { describe, expect, it } from "vitest";
import { quickShard } from "../../functions/quick/quick-shard.js";
import { retryName } from "../../layers/pipeline/cloud-contracts.js";
import { findResults } from "../../layers/pipeline/find-results.js";
import { stagingKeys } from "../../layers/pipeline/keys.js";
import { systemClock } from "../../layers/pipeline/ports.js";
import { stopRun } from "../../layers/pipeline/stop.js";
import { blockSegmenter } from "../pipeline/block-segmenter.js";
import { gather, imageBytes } from "../pipeline/fixtures.js";
import { below, blocks, inProcessCloud } from "./in-process-cloud.js";

const bad = new TextEncoder().encode("bad");

describe("an upload", () => {
  it.each([false, true])("becomes masks and metadata, and its staging is put away (quick: %s)", async (quick) => {
    const cloud = inProcessCloud({ quick });
    const event = await cloud.uploads.upload("a/one.png", imageBytes(1));

    const [run] = await cloud.receive([event]);
    const [summary] = await cloud.executeAll();

    expect(run).toMatchObject({ pipeline: "blocks", images: 1, started: "started" });
    expect(summary).toMatchObject({
      run_id: run?.run,
      status: "completed",
      items: { total: 1, segmented: 1, pending: 0 },
    });
    expect(Object.keys(cloud.results.contents())).toEqual([
      "blocks/a/one.png/metadata.json",
      "blocks/a/one.png/segments.png",
      `blocks/reports/${run?.run}.items.jsonl`,
      `blocks/reports/${run?.run}.json`,
    ]);
    expect([...cloud.staging.objects.keys()]).toEqual([]);
    expect(cloud.notices.map(({ type }) => type)).toEqual(["Run Completed"]);
    expect(cloud.notices[0]?.detail).toMatchObject({
      status: "completed",
      report: `s3://results/blocks/reports/${run?.run}.json`,
    });
  });

  it("goes through each pipeline, each with results of its own", async () => {
    const cloud = inProcessCloud({ pipelines: [blocks, { ...blocks, name: "coarse", parameters: { block: 32 } }] });
    const event = await cloud.uploads.upload("one.png", imageBytes(1));

    await cloud.receive([event]);
    await cloud.executeAll();

    const { results } = cloud;
    expect(await results.text("blocks/one.png/metadata.json")).toContain('"block":8');
    expect(await results.text("coarse/one.png/metadata.json")).toContain('"block":32');
  });

  it("that was done already is skipped: nothing is segmented, nothing written but the report", async () => {
    const cloud = inProcessCloud();
    const first = await cloud.uploads.upload("one.png", imageBytes(1));
    await cloud.receive([first]);
    await cloud.executeAll();
    cloud.executions.clear();
    cloud.results.writes.length = 0;
    // The same bytes, put again: S3 gives it another sequencer.
    const again = await cloud.uploads.upload("one.png", imageBytes(1));

    await cloud.receive([again]);
    const [summary] = await cloud.executeAll();

    expect(summary?.items).toMatchObject({ segmented: 0, skipped: 1 });
    expect(cloud.segmenter.calls).toBe(1);
    expect(cloud.results.writes.every((key) => key.includes("/reports/"))).toBe(true);
  });

  it("is refused when the stack holds another model than the run was planned for (quick)", async () => {
    const cloud = inProcessCloud({ quick: true });
    await cloud.receive([await cloud.uploads.upload("one.png", imageBytes(1))]);
    const [name] = [...cloud.executions.keys()];
    const { run_id, pipeline, shard } = await cloud.plan(name!);

    const segmenter = { ...blockSegmenter(), model: { ...blocks.model, sha256: "cd".repeat(32) } };
    const ports = { stores: cloud, pipelines: [blocks], failureBudget: {}, signal: new AbortController().signal };
    const ended = quickShard({ pipeline, run_id, shard: shard! }, { ...ports, segmenterOf: async () => segmenter });

    await expect(ended).rejects.toMatchObject({ code: "RUN_MODEL_CHANGED", retryable: false });
  });

  it("costs two PUTs of results, three of its run's staging, and the reports", async () => {
    const cloud = inProcessCloud({ quick: true, shardItems: 100 });
    const events = await Promise.all(
      Array.from({ length: 20 }, (_, i) => cloud.uploads.upload(`${i}.png`, imageBytes(i))),
    );
    await cloud.receive(events);
    await cloud.executeAll();

    const puts = cloud.results.writes.filter((key) => !key.includes("/reports/"));
    expect(puts).toHaveLength(40);
    expect(cloud.staging.writes.map((key) => key.replace(/^runs\/[^/]+\//, ""))).toEqual([
      "manifest.jsonl",
      "request.json",
      "shards/00000.jsonl",
      "plan.json",
      "map.json",
      "packs/00000/attempt.json",
      "packs/00000/0000.pack",
      "outcomes/00000/0000.jsonl",
      "outcomes/00000.jsonl",
      "counts/00000.20.0",
    ]);
  });
});

describe("deliveries", () => {
  it("of the same events, in another order and twice, start nothing twice", async () => {
    const cloud = inProcessCloud();
    const events = [
      await cloud.uploads.upload("a.png", imageBytes(1)),
      await cloud.uploads.upload("b.png", imageBytes(2)),
    ];

    const first = await cloud.receive(events);
    const second = await cloud.receive([...events].reverse().concat(events));

    expect(first.map(({ started }) => started)).toEqual(["started"]);
    expect(second.map(({ started }) => started)).toEqual(["exists"]);
    expect(second[0]?.run).toBe(first[0]?.run);
  });

  it("again after the run has ended start nothing either", async () => {
    const cloud = inProcessCloud();
    const event = await cloud.uploads.upload("a.png", imageBytes(1));
    await cloud.receive([event]);
    await cloud.executeAll();

    expect(await cloud.receive([event])).toMatchObject([{ started: "exists" }]);
  });

  it("of what is no image, or a result, start nothing", async () => {
    const cloud = inProcessCloud();
    const events = [
      await cloud.uploads.upload("notes.txt", imageBytes(1)),
      await cloud.uploads.upload("a.png/segments.png", imageBytes(1)),
      await cloud.uploads.upload("a.png/metadata.json", imageBytes(1)),
    ];

    expect(await cloud.receive(events)).toEqual([]);
    expect([...cloud.staging.objects.keys()]).toEqual([]);
  });
});

describe("an image that cannot be segmented", () => {
  it("is rejected with its code, told of, and harms no other", async () => {
    const cloud = inProcessCloud();
    const events = [
      await cloud.uploads.upload("bad.png", bad),
      await cloud.uploads.upload("gone.png", imageBytes(3)),
      await cloud.uploads.upload("good.png", imageBytes(4)),
    ];
    await cloud.receive(events);
    await cloud.uploads.delete("gone.png");

    const [summary] = await cloud.executeAll();

    expect(summary).toMatchObject({ status: "completed", items: { segmented: 1, rejected: 2, pending: 0 } });
    const told = cloud.notices
      .filter(({ type }) => type === "Item Rejected")
      .map(({ detail }) => [detail["key"], detail["code"]]);
    expect(told).toEqual([
      ["bad.png", "IMAGE_DAMAGED"],
      ["gone.png", "OBJECT_NOT_FOUND"],
    ]);
  });

  it("of more bytes than the limit is not even asked for", async () => {
    const cloud = inProcessCloud();
    const event = await cloud.uploads.upload("big.png", imageBytes(1));
    let gets = 0;
    cloud.uploads.before = (request) => {
      if (request === "GET") gets++;
    };

    await cloud.receive([{ ...event, size: 6 * 1024 ** 3 }]);
    await cloud.executeAll();

    expect(cloud.outcomes).toMatchObject([{ status: "rejected", error: { code: "OBJECT_TOO_LARGE" } }]);
    expect(gets).toBe(0);
  });

  it("because it was overwritten, in a bucket without versions, is OBJECT_CHANGED; the newer upload has its own run", async () => {
    const cloud = inProcessCloud();
    const first = await cloud.uploads.upload("a.png", imageBytes(1));
    await cloud.receive([first]);
    const second = await cloud.uploads.upload("a.png", imageBytes(2));
    await cloud.receive([second]);

    await cloud.executeAll();

    expect(cloud.outcomes.map(({ status }) => status).sort()).toEqual(["rejected", "segmented"]);
    expect(cloud.outcomes.find(({ status }) => status === "rejected")).toMatchObject({
      error: { code: "OBJECT_CHANGED" },
    });
    expect(await cloud.results.text("blocks/a.png/metadata.json")).toContain(second.etag);
  });
});

describe("two versions of a key", () => {
  it.each(["old first", "new first", "both at once", "in one batch"])(
    "each keep a result, whatever comes first: %s",
    async (order) => {
      const cloud = inProcessCloud({ versioned: true });
      const old = await cloud.uploads.upload("a.png", imageBytes(1));
      const young = await cloud.uploads.upload("a.png", imageBytes(2));

      if (order === "in one batch") await cloud.receive([young, old]);
      else for (const event of order === "new first" ? [young, old] : [old, young]) await cloud.receive([event]);
      if (order === "both at once") await cloud.executeAll();
      else for (const [name, input] of cloud.executions) await cloud.execute(name, input);

      const files = cloud.results.contents(["blocks/reports/"]);
      expect(Object.keys(files)).toEqual([
        "blocks/a.png/metadata.json",
        "blocks/a.png/segments.png",
        `blocks/a.png/versions/${old.versionId}/metadata.json`,
        `blocks/a.png/versions/${old.versionId}/segments.png`,
      ]);
      expect(files["blocks/a.png/metadata.json"]).toContain(`"version_id":"${young.versionId}"`);
      expect(files[`blocks/a.png/versions/${old.versionId}/metadata.json`]).toContain(
        `"version_id":"${old.versionId}"`,
      );
      expect(cloud.outcomes.map(({ status }) => status)).toEqual(["segmented", "segmented"]);
      // To whoever exports results, the image has one: its latest.
      expect((await gather(findResults(below(cloud.results, "blocks/")))).map(({ key }) => key)).toEqual(["a.png"]);
    },
  );

  it("are both current: delivered again, neither is segmented again", async () => {
    const cloud = inProcessCloud({ versioned: true });
    const old = await cloud.uploads.upload("a.png", imageBytes(1));
    const young = await cloud.uploads.upload("a.png", imageBytes(2));
    for (const event of [old, young]) await cloud.receive([event]);
    await cloud.executeAll();
    cloud.executions.clear();
    cloud.results.writes.length = 0;
    const other = await cloud.uploads.upload("b.png", imageBytes(3));

    for (const event of [old, young]) await cloud.receive([event, other]);
    for (const [name, input] of cloud.executions) await cloud.execute(name, input);

    expect(cloud.segmenter.calls).toBe(3);
    expect(cloud.results.writes.filter((key) => key.startsWith("blocks/a.png"))).toEqual([]);
  });
});

describe("a run that is stopped", () => {
  it("by hand ends as cancelled with its staging, and goes on where it was", async () => {
    const cloud = inProcessCloud({ shardItems: 100, delayMs: 2 });
    const events = await Promise.all(
      Array.from({ length: 40 }, (_, i) => cloud.uploads.upload(`${i}.png`, imageBytes(i))),
    );
    const [run] = await cloud.receive(events);
    const runId = run!.run;
    let packs = 0;
    cloud.staging.before = async (request, key) => {
      if (request === "PUT" && key.includes("/packs/") && ++packs === 1)
        await stopRun(cloud.staging, runId, "cancelled", systemClock);
    };

    const [stopped] = await cloud.executeAll();
    cloud.staging.before = () => {};
    // As `clustseg redrive` does.
    await cloud.staging.delete(stagingKeys(runId).stop);
    const resumed = await cloud.execute(retryName(runId, 1), { pipeline: "blocks", resume: runId });

    expect(stopped?.status).toBe("cancelled");
    expect(stopped?.items.pending).toBeGreaterThan(0);
    expect(stopped?.items.segmented).toBeGreaterThan(0);
    expect(resumed).toMatchObject({
      run_id: runId,
      status: "completed",
      items: { total: 40, segmented: 40, pending: 0 },
    });
    expect(cloud.segmenter.calls).toBe(40);
    expect([...cloud.staging.objects.keys()]).toEqual([]);
  });

  it("again after it was gone on with, before its plan, stays stopped until it is gone on with once more", async () => {
    const cloud = inProcessCloud();
    const [run] = await cloud.receive([await cloud.uploads.upload("a.png", imageBytes(1))]);
    const runId = run!.run;
    const again = (n: number) => cloud.execute(retryName(runId, n), { pipeline: "blocks", resume: runId });
    await stopRun(cloud.staging, runId, "cancelled", systemClock);
    await cloud.executeAll();
    await cloud.staging.delete(stagingKeys(runId).stop);

    await stopRun(cloud.staging, runId, "cancelled", systemClock);
    const stopped = await again(1);
    await cloud.staging.delete(stagingKeys(runId).stop);
    const completed = await again(2);

    expect(stopped).toMatchObject({ status: "cancelled", items: { segmented: 0, pending: 1 } });
    expect(completed).toMatchObject({ status: "completed", items: { segmented: 1, pending: 0 } });
  });

  it("before its plan does nothing at all", async () => {
    const cloud = inProcessCloud();
    const [run] = await cloud.receive([await cloud.uploads.upload("a.png", imageBytes(1))]);
    await stopRun(cloud.staging, run!.run, "cancelled", systemClock);

    const [stopped] = await cloud.executeAll();

    expect(stopped).toMatchObject({ status: "cancelled", items: { pending: 1 } });
    expect(cloud.segmenter.calls).toBe(0);
  });

  it("by its failure budget, spent over shards, is over_budget; shards after that are not begun", async () => {
    const cloud = inProcessCloud({ shardItems: 2, inTurn: true, failureBudget: { maxRejected: 2 } });
    const events = await Promise.all(Array.from({ length: 20 }, (_, i) => cloud.uploads.upload(`${i}.png`, bad)));
    const [run] = await cloud.receive(events);
    const runId = run!.run;
    const input = { pipeline: "blocks", run_id: runId };

    const [summary] = await cloud.executeAll();

    expect(summary).toMatchObject({ status: "over_budget", items: { rejected: 4, pending: 16 } });
    expect(cloud.staging.objects.has(stagingKeys(runId).stop)).toBe(true);
    // A shard that comes later finds the marker.
    const before = cloud.segmenter.calls;
    expect(await cloud.segment(runId, "00009")).toMatchObject({ stopped: "over_budget" });
    expect(cloud.segmenter.calls).toBe(before);
    expect(await cloud.publish({ ...input, shard: "00009" })).toMatchObject({ missing: 0 });
  });
});

describe("a submit", () => {
  it("of a prefix segments what lies there", async () => {
    const cloud = inProcessCloud();
    for (let i = 0; i < 9; i++) await cloud.uploads.upload(`${i < 5 ? "in" : "out"}/${i}.png`, imageBytes(i));

    const summary = await cloud.execute("s-1", { pipeline: "blocks", submit: { prefix: "in/", run_id: "s-1" } });

    expect(summary).toMatchObject({ run_id: "s-1", status: "completed", items: { total: 5, segmented: 5 } });
  });

  it("of a list takes each key once, by name or address, and rejects what is not there", async () => {
    const cloud = inProcessCloud();
    for (let i = 0; i < 3; i++) await cloud.uploads.upload(`${i}.png`, imageBytes(i));
    await cloud.staging.putLines("lists/mine.txt", ["0.png", "s3://uploads/1.png\r", "0.png", "", "gone.png"]);

    const summary = await cloud.execute("s-2", {
      pipeline: "blocks",
      submit: { list: "lists/mine.txt", run_id: "s-2" },
    });

    expect(summary).toMatchObject({ status: "completed", items: { total: 3, segmented: 2, rejected: 1 } });
  });

  it("of nothing ends as a run of no images", async () => {
    const cloud = inProcessCloud();

    const summary = await cloud.execute("s-3", { pipeline: "blocks", submit: { prefix: "none/", run_id: "s-3" } });

    expect(summary).toMatchObject({ status: "completed", items: { total: 0, pending: 0 } });
    expect([...cloud.staging.objects.keys()]).toEqual([]);
  });

  it("of a list that is not there fails, with a report", async () => {
    const cloud = inProcessCloud();

    const summary = await cloud.execute("s-4", { pipeline: "blocks", submit: { list: "none.txt", run_id: "s-4" } });

    expect(summary).toMatchObject({ run_id: "s-4", status: "failed", items: { total: 0 } });
    expect(cloud.results.objects.has("blocks/reports/s-4.json")).toBe(true);
  });

  it("with other parameters and formats replaces the results that were there", async () => {
    const cloud = inProcessCloud();
    await cloud.uploads.upload("a.png", imageBytes(1));
    await cloud.execute("s-5", { pipeline: "blocks", submit: { prefix: "", run_id: "s-5", formats: ["overlay"] } });

    await cloud.execute("s-6", {
      pipeline: "blocks",
      submit: { prefix: "", run_id: "s-6", parameters: { block: 16 } },
    });

    expect(Object.keys(cloud.results.contents(["blocks/reports/"]))).toEqual([
      "blocks/a.png/metadata.json",
      "blocks/a.png/segments.png",
    ]);
    expect(await cloud.results.text("blocks/a.png/metadata.json")).toContain('"block":16');
  });

  it("with force segments again, and writes nothing where the bytes are the same", async () => {
    const cloud = inProcessCloud();
    await cloud.uploads.upload("a.png", imageBytes(1));
    await cloud.execute("s-7", { pipeline: "blocks", submit: { prefix: "", run_id: "s-7" } });
    cloud.results.writes.length = 0;

    await cloud.execute("s-8", { pipeline: "blocks", submit: { prefix: "", run_id: "s-8", force: true } });

    expect(cloud.segmenter.calls).toBe(2);
    expect(cloud.results.writes.every((key) => key.includes("/reports/"))).toBe(true);
  });
});

describe("summarize", () => {
  it("again, after the staging was put away, tells the same", async () => {
    const cloud = inProcessCloud();
    const [run] = await cloud.receive([await cloud.uploads.upload("a.png", imageBytes(1))]);
    const [first] = await cloud.executeAll();

    const second = await cloud.execute(run!.run, { pipeline: "blocks", run_id: run!.run });

    expect(second).toEqual(first);
  });
});
