import { expect, test } from "vitest";
import { expectOutcomes, placeAll } from "../check.js";
import { openCloud } from "../cloud.js";
import { all, ended, submit, tinyImages } from "../runs.js";

const cloud = await openCloud();
const stack = await cloud.stack("dev");
const { batch, proxy } = cloud.emulator;

test("5 a Spot instance is taken back: the worker saves what it has and leaves, another one goes on", async () => {
  const images = await tinyImages("spot/", 90, 6);
  await placeAll(cloud, stack, images);
  const since = proxy.ledger.mark();
  const jobsBefore = batch.jobs.length;

  // In the midst of the images, before any pack is full.
  let reads = 0;
  const amid = proxy.next(
    ({ stage, bucket, operation }) =>
      stage === "segment" && bucket === stack.uploads && operation === "GetObject" && ++reads === 20,
  );
  const runId = await submit(cloud, stack, "spot/");
  const [, jobId = ""] = (await amid).caller.split(".");
  const began = performance.now();
  await batch.reclaim(jobId, 120);
  const seconds = (performance.now() - began) / 1000;
  const run = await ended(cloud, stack, runId);

  expect(run.status).toBe("SUCCEEDED");
  expect(seconds).toBeLessThan(120);
  const [job] = batch.jobs.slice(jobsBefore);
  expect(job?.attempts.map(({ container }) => container.exitCode)).toEqual([75, 0]);
  await expectOutcomes(cloud, stack, all(images.keys(), "segmented"), { since });

  // What the first attempt had segmented is in the pack that it wrote on its way out.
  const packs = proxy.ledger
    .entries(since)
    .filter(({ stage, operation, key }) => stage === "segment" && operation === "PutObject" && key.includes("/packs/"));
  expect(packs.filter(({ caller }) => caller.endsWith(".1")).length).toBeGreaterThan(0);
});
