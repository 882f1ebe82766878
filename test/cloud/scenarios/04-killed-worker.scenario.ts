import { expect, test } from "vitest";
import { expectOutcomes, placeAll } from "../check.js";
import { openCloud, type Run } from "../cloud.js";
import { all, ended, submit, tinyImages } from "../runs.js";

const cloud = await openCloud();
const stack = await cloud.stack("dev");
const { batch, proxy } = cloud.emulator;

/** Resolves when the segment job of the run has put a pack into staging. */
async function firstPack(): Promise<string> {
  const { caller } = await proxy.next(
    ({ stage, operation, key }) => stage === "segment" && operation === "PutObject" && key.includes("/packs/"),
  );
  // The next call tells that this one has been answered.
  await proxy.next((call) => call.caller === caller);
  return caller;
}

/** How often each image was read by segment since the mark. */
function readsOf(since: number): Map<string, number> {
  const reads = new Map<string, number>();
  for (const { stage, operation, bucket, key, status } of proxy.ledger.entries(since)) {
    if (stage !== "segment" || operation !== "GetObject" || bucket !== stack.uploads || status >= 400) continue;
    reads.set(key, (reads.get(key) ?? 0) + 1);
  }
  return reads;
}

test.each([
  { how: "dies with its machine", prefix: "killed/", seed: 4, end: (jobId: string) => batch.reclaim(jobId, 0) },
  // Its images are then taken one by one.
  { how: "is killed for its memory", prefix: "out of memory/", seed: 5, end: (jobId: string) => batch.kill(jobId) },
])("4 a worker that $how is started again, and goes on where it was", async ({ prefix, seed, end }) => {
  const images = await tinyImages(prefix, 90, seed);
  await placeAll(cloud, stack, images);
  const since = proxy.ledger.mark();
  const jobsBefore = batch.jobs.length;

  const packed = firstPack();
  const runId = await submit(cloud, stack, prefix);
  const [, jobId = ""] = (await packed).split(".");
  await end(jobId);
  const run: Run = await ended(cloud, stack, runId);

  expect(run.status).toBe("SUCCEEDED");
  const [job, ...others] = batch.jobs.slice(jobsBefore);
  expect(others).toEqual([]);
  expect(job?.attempts.map(({ container }) => container.exitCode)).toEqual([137, 0]);
  await expectOutcomes(cloud, stack, all(images.keys(), "segmented"), { since });
  const once = [...readsOf(since).values()].filter((count) => count === 1).length;
  // The first pack (32 images) was kept: nothing of it was read, and so segmented, a second time.
  expect(once).toBeGreaterThanOrEqual(32);
});
