import { dirname } from "node:path";
import { Logger } from "@aws-lambda-powertools/logger";
import { Metrics } from "@aws-lambda-powertools/metrics";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { exitCodeOf, exitCodes } from "../../../functions/segment/exit-code.js";
import { Interruption } from "../../../functions/segment/interruption.js";
import { type SegmentJob, segmentJob } from "../../../functions/segment/job.js";
import { JobReports } from "../../../functions/segment/reports.js";
import { whyNoCuda } from "../../../layers/model/cuda.js";
import type { Pipeline } from "../../../layers/pipeline/cloud-contracts.js";
import { readRequest } from "../../../layers/pipeline/intake.js";
import { stagingKeys } from "../../../layers/pipeline/keys.js";
import { systemClock } from "../../../layers/pipeline/ports.js";
import { publishShard } from "../../../layers/pipeline/publish-shard.js";
import { readShardState } from "../../../layers/pipeline/shard.js";
import { readStop, stopRun } from "../../../layers/pipeline/stop.js";
import { tinyBundle } from "../../model/pictures.js";
import { MemoryStore } from "../../pipeline/memory-store.js";
import { plannedRun, tinyPipeline } from "./planned-run.js";

const shard = "00000";
let pipeline: Pipeline;

describe("a segment job", () => {
  beforeAll(async () => {
    pipeline = await tinyPipeline();
    vi.stubEnv("POWERTOOLS_METRICS_DISABLED", "true");
  });

  it("leaves each image of the shard in staging, and writes nowhere else", async () => {
    const { job, stores } = await prepared({ pictures: 5, broken: 1 });

    const end = await segmentJob(job);

    expect(end).toEqual({ end: "complete", items: 6, done: 6 });
    const { outcomes } = await readShardState(stores.staging, job.runId, shard, { dropDamaged: false });
    expect([...outcomes.values()].map(({ status }) => status).sort()).toEqual([
      "rejected",
      ...Array(5).fill("segmented"),
    ]);
    expect(stores.results.writes).toEqual([]);
    expect(stores.uploads.writes).toHaveLength(6);
  });

  it("begun again for a shard that is done, does nothing", async () => {
    const { job, stores } = await prepared({ pictures: 3 });
    await segmentJob(job);
    const written = stores.staging.writes.length;

    const again = await segmentJob({ ...job, interruption: new Interruption() });

    expect(again).toEqual({ end: "complete", items: 3, done: 3 });
    expect(stores.staging.writes).toHaveLength(written);
  });

  it("interrupted in the middle, saves what is done, and another call does the rest and nothing twice", async () => {
    const whole = await prepared({ pictures: 12 });
    await segmentJob(whole.job);
    const { job, stores, uploads } = await prepared({ pictures: 12 });
    const interruption = new Interruption();
    uploads.onGet = (count) => {
      if (count === 6) interruption.interrupt("SIGTERM", 15_000);
    };

    const first = await segmentJob({ ...job, interruption });
    uploads.onGet = () => {};
    const fetched = uploads.gets;
    const second = await segmentJob(job);

    expect(first).toMatchObject({ end: "interrupted", items: 12, why: "SIGTERM" });
    expect(first.done).toBeGreaterThan(0);
    expect(first.done).toBeLessThan(12);
    expect(second).toEqual({ end: "complete", items: 12, done: 12 });
    expect(uploads.gets - fetched).toBe(12 - (first.done as number));
    expect(await publishedFiles(job.runId, stores)).toEqual(await publishedFiles(whole.job.runId, whole.stores));
  });

  it("gives up an image that hangs when the time is up, and has saved the others", async () => {
    const { job, stores, uploads } = await prepared({ pictures: 4 });
    const interruption = new Interruption();
    uploads.hang = (key) => key.endsWith("003.png");
    let finished = 0;
    const reports = Object.assign(quietReports(), {
      outcome: () => {
        if (++finished === 3) interruption.interrupt("Spot notice", 150);
      },
    });

    const end = await segmentJob({ ...job, interruption, reports, closeMs: 2_000 });

    expect(end).toEqual({ end: "interrupted", why: "Spot notice, and the time was up" });
    const { outcomes } = await readShardState(stores.staging, job.runId, shard, { dropDamaged: false });
    expect([...outcomes.keys()].sort()).toEqual(["in/000.png", "in/001.png", "in/002.png"]);
  });

  it("does not begin when its run was stopped, without even opening the model", async () => {
    const { job, stores } = await prepared({ pictures: 3 });
    await stopRun(stores.staging, job.runId, "cancelled", systemClock);

    const end = await segmentJob({ ...job, models: "/nowhere" });

    expect(end).toEqual({ end: "stopped", why: "cancelled" });
  });

  it("over its failure budget, stops, and marks the run for the others", async () => {
    const { job, stores } = await prepared({ pictures: 0, broken: 40 });

    const end = await segmentJob({ ...job, failureBudget: { maxRejected: 3 } });

    expect(end).toMatchObject({ end: "stopped", why: "over_budget", items: 40 });
    expect(end.done).toBeLessThan(40);
    expect(await readStop(stores.staging, job.runId)).toBe("over_budget");
  });

  it.each(["name", "version", "sha256"] as const)(
    "refuses a run that was planned for another %s of the model",
    async (what) => {
      const { job, stores } = await prepared({ pictures: 1 });
      const key = stagingKeys(job.runId).request;
      const request = JSON.parse(new TextDecoder().decode((await stores.staging.get(key)).body));
      request.model[what] = what === "sha256" ? "ab".repeat(32) : "other";
      await stores.staging.put(key, new TextEncoder().encode(JSON.stringify(request)));

      const ended = await segmentJob(job).catch((error: unknown) => error);

      expect(ended).toMatchObject({ code: "RUN_MODEL_CHANGED", retryable: false });
      expect(exitCodeOf(ended)).toBe(exitCodes.config);
    },
  );

  it("refuses a run about other uploads than its own", async () => {
    const { job } = await prepared({ pictures: 1 });
    const uploads = new MemoryStore("memory:///elsewhere/");

    await expect(segmentJob({ ...job, stores: { ...job.stores, uploads } })).rejects.toMatchObject({
      code: "RUN_REQUEST_INVALID",
    });
  });

  it.skipIf(whyNoCuda() === undefined)(
    "without a GPU where one is asked for, fails loudly and segments nothing",
    async () => {
      const { job, stores } = await prepared({ pictures: 2 });
      const written = stores.staging.writes.length;

      const ended = await segmentJob({ ...job, provider: "cuda" }).catch((error: unknown) => error);

      expect(ended).toMatchObject({ code: "MODEL_PROVIDER_UNAVAILABLE" });
      expect(exitCodeOf(ended)).toBe(69);
      expect(stores.staging.writes).toHaveLength(written);
    },
  );
});

/** Uploads that can be watched, and that can keep somebody waiting for ever. */
class WatchedStore extends MemoryStore {
  gets = 0;
  onGet: (count: number) => void = () => {};
  hang: (key: string) => boolean = () => false;

  override async get(...[key, options]: Parameters<MemoryStore["get"]>): ReturnType<MemoryStore["get"]> {
    this.onGet(++this.gets);
    if (this.hang(key)) await new Promise(() => {});
    return super.get(key, options);
  }
}

async function prepared(images: { pictures: number; broken?: number }) {
  const uploads = new WatchedStore("memory:///uploads/");
  const stores = {
    uploads,
    staging: new MemoryStore("memory:///staging/"),
    results: new MemoryStore("memory:///results/"),
  };
  const { run_id: runId } = await plannedRun(stores, pipeline, images);
  const job: SegmentJob = {
    stores: { uploads, staging: stores.staging },
    pipeline,
    runId,
    shard,
    models: dirname(tinyBundle),
    provider: "cpu",
    workers: 1,
    interruption: new Interruption(),
    reports: quietReports(),
  };
  return { job, stores, uploads };
}

async function publishedFiles(
  runId: string,
  stores: { readonly staging: MemoryStore; readonly results: MemoryStore },
): Promise<ReadonlyMap<string, string>> {
  await publishShard({ stores, request: await readRequest(stores.staging, runId), shard });
  return new Map([...stores.results.objects].map(([key, { body }]) => [key, Buffer.from(body).toString("base64")]));
}

function quietReports(): JobReports {
  return new JobReports({
    logger: new Logger({ logLevel: "SILENT" }),
    metrics: new Metrics({ namespace: "Test", serviceName: "test" }),
  });
}
