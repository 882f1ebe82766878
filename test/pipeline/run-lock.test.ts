import { describe, expect, it } from "vitest";
import { stagingKeys } from "../../layers/pipeline/keys.js";
import type { RunOwner } from "../../layers/pipeline/ports.js";
import { lockStaleMs, RunLock } from "../../layers/pipeline/run-lock.js";
import { blockSegmenter } from "./block-segmenter.js";
import { startRun, storesWith } from "./fixtures.js";
import { MemoryStore } from "./memory-store.js";

const owner = (name: string, ended: readonly string[] = []): RunOwner => ({
  name,
  hasEnded: (other) => ended.includes(other),
});
const key = stagingKeys("r-1").lock;

/** A store, a clock that is set by hand, and locks of several owners on one run. */
function lockable() {
  const staging = new MemoryStore();
  const clock = { time: Date.parse("2026-01-01T00:00:00Z"), now: () => clock.time };
  const lockOf = (name: string, ended: readonly string[] = [], renewMs = 3_600_000) =>
    new RunLock({ staging, owner: owner(name, ended), clock, renewMs });
  return { staging, clock, lockOf };
}

describe("a run's lock", () => {
  it("is had by one owner, and free when that one gives it back", async () => {
    const { staging, lockOf } = lockable();
    const [a, b] = [lockOf("a"), lockOf("b")];
    await a.take("r-1");

    await expect(b.take("r-1")).rejects.toMatchObject({
      code: "RUN_CONFLICT",
      message: expect.stringMatching(/: a, /),
    });
    await b.release();
    await expect(lockOf("a").take("r-1")).rejects.toMatchObject({ code: "RUN_CONFLICT" });
    await a.release();
    await b.take("r-1");
    await b.release();

    expect(staging.objects.size).toBe(0);
  });

  it("goes at once from an owner that is known to have ended, else when it has not been renewed for a minute", async () => {
    const { clock, lockOf } = lockable();
    const killed = [lockOf("killed here"), lockOf("killed elsewhere")] as const;
    await killed[0].take("r-1");
    await lockOf("next", ["killed here"]).take("r-1");
    await killed[1].take("r-2");
    clock.time += lockStaleMs;

    await expect(lockOf("other").take("r-2")).rejects.toMatchObject({ code: "RUN_CONFLICT" });
    clock.time += 1;
    await lockOf("other").take("r-2");
  });

  it("is nobody's when it cannot be read", async () => {
    const { staging, lockOf } = lockable();
    await staging.put(key, new Uint8Array());

    await lockOf("a").take("r-1");

    expect(await staging.text(key)).toContain('"owner":"a"');
  });

  it("is kept while it is renewed, and lost when another one is found in its place", async () => {
    const { staging, clock, lockOf } = lockable();
    const a = lockOf("a", [], 5);
    await a.take("r-1");
    clock.time += 2 * lockStaleMs;
    await until(async () => (await staging.text(key)).includes("2026-01-01T00:02"));

    await expect(lockOf("b").take("r-1")).rejects.toMatchObject({ code: "RUN_CONFLICT" });
    await staging.put(key, new TextEncoder().encode((await staging.text(key)).replace('"a"', '"b"')));
    await until(() => a.lost.aborted);
    await a.release();

    expect(a.lost.reason).toMatchObject({ code: "RUN_CONFLICT", retryable: true });
    expect(await staging.text(key)).toContain('"owner":"b"');
  });
});

describe("two processes on one run", () => {
  it("are one that works and one that is told so, before it has changed anything", async () => {
    const { stores, staging } = await storesWith(20);
    let second: Promise<unknown> | undefined;
    let writes: string[] = [];

    const { report } = await startRun(stores, {
      owner: owner("first"),
      segmenter: blockSegmenter({ delayMs: () => 3 }),
      onEvent: ({ type }) => {
        if (type !== "planned") return;
        const before = staging.writes.length;
        second = startRun(stores, { owner: owner("second") }).catch((error: unknown) => {
          writes = staging.writes
            .slice(before)
            .filter((key) => !key.includes("/packs/") && !key.includes("/outcomes/"));
          return error;
        });
      },
    });

    expect(report.items.segmented).toBe(20);
    expect(await second).toMatchObject({ code: "RUN_CONFLICT", fault: "user" });
    expect(writes).toEqual([]);
    expect(staging.objects.size).toBe(0);
  });

  it("do not hinder a run that was killed: it goes on at once", async () => {
    const { stores, staging } = await storesWith(12);
    const run = startRun(stores, {
      owner: owner("first"),
      concurrency: 1,
      packItems: 4,
      onEvent: (event) => {
        if (event.type === "item" && event.counts.done === 8) throw new Error("killed");
      },
    });
    await expect(run).rejects.toThrow("killed");
    const lock = { schema: "clustseg.lock/1", owner: "first", renewed_at: new Date().toISOString() };
    const [runKey] = [...staging.objects.keys()].filter((key) => key.endsWith("request.json"));
    await staging.put(runKey!.replace("request", "lock"), new TextEncoder().encode(JSON.stringify(lock)));

    await expect(startRun(stores, { owner: owner("elsewhere") })).rejects.toMatchObject({ code: "RUN_CONFLICT" });
    const { report } = await startRun(stores, { owner: owner("second", ["first"]) });

    expect(report.items).toMatchObject({ total: 12, segmented: 12, pending: 0 });
    expect(staging.objects.size).toBe(0);
  });

  it("end the one whose lock was taken from it, without a report", async () => {
    const { stores, staging, results } = await storesWith(40);
    const taken = { schema: "clustseg.lock/1", owner: "other", renewed_at: new Date().toISOString() };

    const run = startRun(stores, {
      owner: owner("first"),
      segmenter: blockSegmenter({ delayMs: () => 5 }),
      concurrency: 1,
      lockRenewMs: 5,
      onEvent: (event) => {
        if (event.type !== "planned") return;
        void staging.put(stagingKeys(event.runId).lock, new TextEncoder().encode(JSON.stringify(taken)));
      },
    });

    await expect(run).rejects.toMatchObject({ code: "RUN_CONFLICT" });
    expect(results.objects.has("report.json")).toBe(false);
    expect([...staging.objects.keys()].filter((key) => key.endsWith("lock.json"))).toHaveLength(1);
  });
});

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 2));
}
