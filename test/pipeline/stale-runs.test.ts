import { describe, expect, it } from "vitest";
import { intake } from "../../layers/pipeline/intake.js";
import { stagingKeys } from "../../layers/pipeline/keys.js";
import type { RunOwner } from "../../layers/pipeline/ports.js";
import { keptMs, removeStaleRuns } from "../../layers/pipeline/stale-runs.js";
import { blockSegmenter } from "./block-segmenter.js";
import { startRun, storesWith } from "./fixtures.js";
import type { MemoryStore } from "./memory-store.js";

const now = Date.parse("2026-03-01T00:00:00Z");
const clock = { now: () => now };
const owner: RunOwner = { name: "me", hasEnded: (name) => name === "killed" };

const runsIn = (staging: MemoryStore) => new Set([...staging.objects.keys()].map((key) => key.split("/")[1]));

/** Staging in which runs were begun so many days ago and interrupted. */
async function interrupted(...daysAgo: number[]) {
  const made = await storesWith(3);
  const runIds: string[] = [];
  for (const [i, days] of daysAgo.entries()) {
    const { run_id } = await intake({
      stores: made.stores,
      source: { kind: "prefix", prefix: "" },
      model: blockSegmenter().model,
      task: "superpixel",
      parameters: { block: 100 + i },
      clock: { now: () => now - days * 24 * 3600 * 1000 },
    });
    await made.staging.put(stagingKeys(run_id).pack("00000", 0), new Uint8Array(10));
    runIds.push(run_id);
  }
  return { ...made, runIds };
}

const lock = (name: string, renewedAt = now) =>
  new TextEncoder().encode(
    JSON.stringify({ schema: "clustseg.lock/1", owner: name, renewed_at: new Date(renewedAt).toISOString() }),
  );

describe("what interrupted runs left in staging", () => {
  it("goes a week after they were begun, and not before; nor do those that go on or that somebody works on", async () => {
    const { staging, runIds } = await interrupted(6.9, 7.1, 30, 30, 30);
    const [young, , mine, working, killed] = runIds as [string, string, string, string, string];
    await staging.put(stagingKeys(working).lock, lock("somebody"));
    await staging.put(stagingKeys(killed).lock, lock("killed"));

    await removeStaleRuns({ staging, except: mine, owner, clock });

    expect(keptMs).toBe(7 * 24 * 3600 * 1000);
    expect(runsIn(staging)).toEqual(new Set([young, mine, working]));
  });

  it("goes when a run was killed before it had listed its source", async () => {
    const { staging } = await storesWith(0);
    for (const [runId, holder] of [
      ["r-killed", "killed"],
      ["r-lists", "somebody"],
    ] as const) {
      await staging.put(stagingKeys(runId).lock, lock(holder));
      await staging.put(stagingKeys(runId).manifest, new Uint8Array(5));
    }
    await staging.put(stagingKeys("r-without-locks").manifest, new Uint8Array(5));

    await removeStaleRuns({ staging, except: "r-mine", owner, clock });

    expect(runsIn(staging)).toEqual(new Set(["r-lists", "r-without-locks"]));
  });

  it("stays when another version wrote it", async () => {
    const { staging, runIds } = await interrupted(30);
    await staging.put(stagingKeys(runIds[0]!).request, new TextEncoder().encode('{"schema":"clustseg.run/9"}'));

    await removeStaleRuns({ staging, except: "r-mine", owner, clock });

    expect(runsIn(staging).size).toBe(1);
  });

  it("goes when any other run begins", async () => {
    const { stores, staging } = await interrupted(8);

    await startRun(stores, { clock });

    expect(staging.objects.size).toBe(0);
  });
});
