import { describe, expect, it } from "vitest";
import type { ItemOutcome } from "../../layers/pipeline/contracts.js";
import { runPipeline } from "../../layers/pipeline/run.js";
import type { RunEvent } from "../../layers/pipeline/run-events.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { blockSegmenter } from "./block-segmenter.js";
import { imageBytes, startRun, storesWith } from "./fixtures.js";

describe("runPipeline", () => {
  it("segments every image, writes metadata.json last, and reports", async () => {
    const { stores, results } = await storesWith(25);
    const events: RunEvent[] = [];

    const { status, report, error } = await startRun(stores, { onEvent: (event) => events.push(event) });

    expect(status).toBe("completed");
    expect(error).toBeUndefined();
    expect(report.items).toEqual({ total: 25, segmented: 25, skipped: 0, rejected: 0, pending: 0 });
    expect(results.writes.filter((key) => key.startsWith("a/007.png/"))).toEqual([
      "a/007.png/segments.png",
      "a/007.png/metadata.json",
    ]);
    const metadata = await results.text("a/007.png/metadata.json");
    expect(metadata.slice(0, 256)).toMatch(/^\{"schema":"clustseg.result\/1","result_id":"[0-9a-f]{32}"/);
    expect(JSON.parse(await results.text("report.json"))).toEqual(report);
    expect(events.filter(({ type }) => type === "item")).toHaveLength(25);
    expect(events.at(-1)).toEqual({ type: "finished", report });
  });

  it("leaves nothing in staging when it has ended", async () => {
    const { stores, staging } = await storesWith(5);

    await startRun(stores);

    expect([...staging.objects.keys()]).toEqual([]);
  });

  it("does nothing the second time: all skipped, no result written, the segmenter not called", async () => {
    const { stores, results } = await storesWith(25);
    await startRun(stores);
    results.writes.length = 0;
    const segmenter = blockSegmenter();

    const { report } = await startRun(stores, { segmenter });

    expect(report.items).toMatchObject({ segmented: 0, skipped: 25, pending: 0 });
    expect(segmenter.calls).toBe(0);
    expect(results.writes.filter((key) => !key.startsWith("report"))).toEqual([]);
  });

  it("segments again with force, and comes to the same bytes", async () => {
    const { stores, results } = await storesWith(5);
    await startRun(stores);
    const before = snapshot(results.objects);
    results.writes.length = 0;

    const { report } = await startRun(stores, { force: true });

    expect(report.items).toMatchObject({ segmented: 5, skipped: 0 });
    expect(results.writes.filter((key) => key.endsWith("metadata.json"))).toHaveLength(5);
    expect(snapshot(results.objects)).toEqual(before);
  });

  it("segments only what is new or has changed", async () => {
    const { stores, uploads } = await storesWith(5);
    await startRun(stores);
    await uploads.put("a/002.png", imageBytes(99));
    await uploads.put("b.png", imageBytes(98));

    const { report } = await startRun(stores);

    expect(report.items).toMatchObject({ total: 6, segmented: 2, skipped: 4 });
  });

  it("removes the files of an old result that the new one does not have", async () => {
    const { stores, results } = await storesWith(1);
    await startRun(stores, { formats: ["overlay"] });
    expect(results.objects.has("a/000.png/overlay.png")).toBe(true);

    await startRun(stores);

    expect([...results.objects.keys()].filter((key) => key.startsWith("a/"))).toEqual([
      "a/000.png/segments.png",
      "a/000.png/metadata.json",
    ]);
  });

  it.each([1, 2, 8])("gives the same bytes at concurrency %i", async (concurrency) => {
    const reference = await storesWith(40);
    await startRun(reference.stores, { concurrency: 1, formats: ["overlay"] });
    const { stores, results } = await storesWith(40);
    const segmenter = blockSegmenter({ delayMs: (bytes) => (bytes[0] ?? 0) % 4 });

    await startRun(stores, { concurrency, packItems: 3, shardItems: 17, formats: ["overlay"], segmenter });

    expect(snapshot(results.objects)).toEqual(snapshot(reference.results.objects));
  });

  it("rejects a bad image, and its neighbours do not notice", async () => {
    const { stores, uploads, results } = await storesWith(9);
    await uploads.put("a/004.png", new TextEncoder().encode("bad image"));
    await uploads.put("a/005.png", new Uint8Array());

    const { report, status } = await startRun(stores);

    expect(status).toBe("completed");
    expect(report.items).toMatchObject({ segmented: 7, rejected: 2 });
    expect(report.rejected_by_code).toEqual({ IMAGE_DAMAGED: 1, IMAGE_EMPTY: 1 });
    expect(report.rejected[0]).toMatchObject({ key: "a/004.png", code: "IMAGE_DAMAGED", hint: "Leave it out." });
    expect(results.objects.has("a/004.png/metadata.json")).toBe(false);
  });

  it("rejects an image that vanished or changed after it was listed", async () => {
    const { stores, uploads } = await storesWith(6);

    const { report } = await startRun(stores, {
      onEvent: ({ type }) => {
        if (type !== "planned") return;
        uploads.objects.delete("a/001.png");
        void uploads.put("a/003.png", imageBytes(77));
      },
    });

    expect(report.rejected_by_code).toEqual({ OBJECT_CHANGED: 1, OBJECT_NOT_FOUND: 1 });
    expect(report.rejected.find(({ code }) => code === "OBJECT_CHANGED")?.retryable).toBe(true);
    expect((await startRun(stores)).report.items).toMatchObject({ total: 5, segmented: 1, skipped: 4 });
  });

  it("rejects a key that leaves no room for its results", async () => {
    const { stores, uploads } = await storesWith(1);
    await uploads.put(`${"x".repeat(1010)}.png`, imageBytes(1));

    const { report } = await startRun(stores);

    expect(report.rejected_by_code).toEqual({ OBJECT_KEY_INVALID: 1 });
  });

  it("stops when the failure budget is spent, and tries the rejected images again next time", async () => {
    const { stores, uploads } = await storesWith(50);
    for (let i = 10; i < 50; i++) await uploads.put(`a/0${i}.png`, new TextEncoder().encode("bad"));

    const first = await startRun(stores, { failureBudget: { maxRejected: 3 }, concurrency: 1 });
    const second = await startRun(stores, { failureBudget: { maxRejected: 40 }, concurrency: 1 });

    expect(first.status).toBe("over_budget");
    expect(first.error?.code).toBe("RUN_FAILURE_BUDGET");
    // The fourth ends it; those in flight still come to their outcome.
    expect(first.report.items.rejected).toBeGreaterThanOrEqual(4);
    expect(first.report.items.rejected).toBeLessThan(10);
    expect(first.report.items.pending).toBe(40 - first.report.items.rejected);
    expect(second.status).toBe("completed");
    expect(second.report.items).toMatchObject({ skipped: 10, rejected: 40, pending: 0 });
  });

  it("stops cleanly when it is cancelled, and goes on where it was", async () => {
    const { stores } = await storesWith(40);
    const abort = new AbortController();
    const first: ItemOutcome[] = [];
    const second: ItemOutcome[] = [];

    const cancelled = await startRun(stores, {
      signal: abort.signal,
      concurrency: 2,
      packItems: 4,
      shardItems: 15,
      onEvent: (event) => {
        if (event.type === "item" && first.push(event.outcome) === 20) abort.abort();
      },
    });
    const resumed = await startRun(stores, {
      onEvent: (event) => {
        if (event.type === "planned")
          expect(event).toMatchObject({ resumed: true, counts: { segmented: first.length } });
        if (event.type === "item") second.push(event.outcome);
      },
    });

    expect(cancelled.status).toBe("cancelled");
    expect(cancelled.error?.code).toBe("RUN_CANCELLED");
    expect(cancelled.report.items.segmented).toBe(first.length);
    expect(resumed.report.items).toMatchObject({ segmented: 40, skipped: 0, pending: 0 });
    expect(new Set([...first, ...second].map(({ key }) => key)).size).toBe(40);
    expect(first.length + second.length).toBe(40);
  });

  it("publishes what a killed run had segmented when the source has changed since", async () => {
    const { stores, uploads, staging } = await storesWith(12);
    const segmenter = blockSegmenter();
    const run = startRun(stores, {
      segmenter,
      packItems: 4,
      concurrency: 1,
      onEvent: (event) => {
        if (event.type === "item" && event.counts.done === 10) throw new Error("killed");
      },
    });
    await expect(run).rejects.toThrow("killed");
    await uploads.put("new.png", imageBytes(5));

    const { report } = await startRun(stores, { segmenter });

    // Those in flight when it was killed may have come into a pack as well.
    expect(report.items).toMatchObject({ total: 13, rejected: 0, pending: 0 });
    expect(report.items.skipped).toBeGreaterThanOrEqual(10);
    expect(report.items.segmented).toBe(13 - report.items.skipped);
    expect(segmenter.calls).toBe(13);
    expect([...staging.objects.keys()]).toEqual([]);
  });

  it("ends with the segmenter's error when the fault is no image's, and keeps those images for the next time", async () => {
    const { stores } = await storesWith(30);
    const broken = blockSegmenter();
    let calls = 0;
    const segmenter = {
      model: broken.model,
      process: async (...args: Parameters<typeof broken.process>) => {
        if (++calls > 8) throw new ClustsegError("MODEL_WORKER_DIED", "the thread ended", { hint: "" });
        return broken.process(...args);
      },
    };

    await expect(startRun(stores, { segmenter, concurrency: 1 })).rejects.toMatchObject({ code: "MODEL_WORKER_DIED" });
    const { report } = await startRun(stores);

    expect(report.items).toMatchObject({ segmented: 30, rejected: 0 });
  });

  it("rejects a single image that the model fails on", async () => {
    const { stores } = await storesWith(30);
    const inner = blockSegmenter();
    let calls = 0;
    const segmenter = {
      model: inner.model,
      process: async (...args: Parameters<typeof inner.process>) => {
        if (++calls === 8) throw new ClustsegError("MODEL_RUN_FAILED", "no", { hint: "" });
        return inner.process(...args);
      },
    };

    const { report } = await startRun(stores, { segmenter });

    expect(report.items).toMatchObject({ segmented: 29, rejected: 1 });
  });

  it.each(["results", "staging"] as const)(
    "ends when %s is full, and goes on when there is space again",
    async (role) => {
      const { stores, ...made } = await storesWith(40);
      const reference = await storesWith(40);
      await startRun(reference.stores);
      const put = made[role].put.bind(made[role]);
      let puts = 0;
      made[role].put = async (...args) => {
        if (++puts > 12) throw new ClustsegError("STORE_FULL", "no space is left", { hint: "" });
        return put(...args);
      };

      const run = startRun(stores, { packItems: 2 });
      await expect(run).rejects.toMatchObject({ code: "STORE_FULL", fault: "system", retryable: true });
      made[role].put = put;
      const { report } = await startRun(stores);

      expect(report.items).toMatchObject({ total: 40, rejected: 0, pending: 0 });
      expect(snapshot(made.results.objects)).toEqual(snapshot(reference.results.objects));
    },
  );

  it("says so when there are no images", async () => {
    const { stores, uploads, staging } = await storesWith(0);
    await uploads.put("notes.txt", new Uint8Array(3));

    await expect(startRun(stores)).rejects.toMatchObject({ code: "SOURCE_EMPTY", fault: "user" });
    expect(staging.objects.size).toBe(0);
  });

  it("refuses a task that the model does not do", async () => {
    const { stores } = await storesWith(1);

    await expect(
      runPipeline({
        stores,
        segmenter: blockSegmenter(),
        source: { kind: "prefix", prefix: "" },
        task: "panoptic",
        parameters: {},
      }),
    ).rejects.toMatchObject({ code: "TASK_UNSUPPORTED" });
  });

  it("overlaps publishing with segmenting, but does not run far ahead of it", async () => {
    const { stores, results } = await storesWith(60);
    const put = results.put.bind(results);
    results.put = async (...args) => {
      await new Promise((resolve) => setTimeout(resolve, 2));
      return put(...args);
    };
    let segmented = 0;
    let published = 0;
    let ahead = 0;
    let overlapped = false;

    await startRun(stores, {
      packItems: 2,
      concurrency: 1,
      publishConcurrency: 1,
      onEvent: (event) => {
        if (event.type === "item") segmented++;
        if (event.type === "published") {
          published += event.items;
          overlapped ||= segmented > published && segmented < 60;
        }
        ahead = Math.max(ahead, segmented - published);
      },
    });

    expect(overlapped).toBe(true);
    expect(ahead).toBeLessThan(24);
  });
});

function snapshot(objects: ReadonlyMap<string, { body: Uint8Array }>): Record<string, string> {
  const kept = [...objects].filter(([key]) => !key.startsWith("report")).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(kept.map(([key, { body }]) => [key, Buffer.from(body).toString("base64")]));
}
