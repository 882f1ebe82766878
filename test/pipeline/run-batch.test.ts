import { describe, expect, it } from "vitest";
import { runBatch } from "../../layers/pipeline/run-batch.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { blockSegmenter } from "./block-segmenter.js";
import { gather, storesWith } from "./fixtures.js";

const settings = {
  segmenter: blockSegmenter(),
  task: "superpixel",
  parameters: { block: 8 },
  concurrency: 1,
  publishConcurrency: 1,
};

describe("a batch of events", () => {
  it("is tried again when the store was at fault, and ends as if nothing had been", async () => {
    const { stores, results } = await storesWith(6);
    const put = results.put.bind(results);
    let faults = 2;
    results.put = async (...args) => {
      if (faults-- > 0) throw new ClustsegError("STORE_FULL", "no space is left", { hint: "" });
      return put(...args);
    };
    const told: string[] = [];

    const result = await runBatch({
      ...settings,
      stores,
      events: await gather(stores.uploads.list("")),
      retryMs: [1, 2],
      onRetry: ({ code }, waitMs) => told.push(`${code} ${waitMs}`),
    });

    expect(told).toEqual(["STORE_FULL 1", "STORE_FULL 2"]);
    expect(result).toMatchObject({ status: "completed", report: { items: { total: 6, segmented: 6 } } });
  });

  it("fails when it was tried often enough, and at once when trying again does not help", async () => {
    const { stores, results } = await storesWith(2);
    const events = await gather(stores.uploads.list(""));
    const code = { is: "STORE_FULL" as "STORE_FULL" | "STORE_READ_ONLY" };
    results.put = async () => {
      throw new ClustsegError(code.is, "no", { hint: "" });
    };
    let retries = 0;
    const batch = () => runBatch({ ...settings, stores, events, retryMs: [1, 1], onRetry: () => retries++ });

    await expect(batch()).rejects.toMatchObject({ code: "STORE_FULL" });
    expect(retries).toBe(2);
    code.is = "STORE_READ_ONLY";
    await expect(batch()).rejects.toMatchObject({ code: "STORE_READ_ONLY" });
    expect(retries).toBe(2);
  });

  it("that is stopped leaves nothing in staging", async () => {
    const { stores, staging } = await storesWith(20);
    const stop = new AbortController();

    const stopped = await runBatch({
      ...settings,
      stores,
      events: await gather(stores.uploads.list("")),
      signal: stop.signal,
      onEvent: (event) => event.type === "item" && event.counts.done === 5 && stop.abort(),
    });

    expect(stopped?.status).toBe("cancelled");
    expect(staging.objects.size).toBe(0);
  });

  it("that is stopped while it waits ends at once", async () => {
    const { stores, results } = await storesWith(2);
    results.put = async () => {
      throw new ClustsegError("STORE_FULL", "no", { hint: "" });
    };
    const stop = new AbortController();
    const { signal } = stop;
    const events = await gather(stores.uploads.list(""));

    const waiting = runBatch({ ...settings, stores, events, signal, onRetry: () => setTimeout(() => stop.abort(), 5) });

    expect(await waiting).toBeUndefined();
  });
});
