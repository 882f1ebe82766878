import { expect, test } from "vitest";
import { expectOutcomes, keysBelow, placeAll } from "../check.js";
import { clustseg, isLong, openCloud } from "../cloud.js";
import { perImage } from "../figures.js";
import { all, ended, submit, tinyImages } from "../runs.js";

const cloud = await openCloud();
const stack = await cloud.stack("dev");

test("3 a bulk job of tiny images over several shards", async () => {
  const { batch, proxy } = cloud.emulator;
  const images = await tinyImages("archive/", isLong ? 5000 : 250, 3);
  await placeAll(cloud, stack, images);
  const since = proxy.ledger.mark();
  const jobsBefore = batch.jobs.length;

  const runId = await submit(cloud, stack, "archive/");
  const run = await ended(cloud, stack, runId, 1200);

  expect(run.status).toBe("SUCCEEDED");
  await expectOutcomes(cloud, stack, all(images.keys(), "segmented"), { since });
  const jobs = batch.jobs.slice(jobsBefore);
  expect(jobs).toHaveLength(Math.ceil(images.size / 100));
  expect(new Set(jobs.map(({ shareIdentifier }) => shareIdentifier)).size).toBe(1);
  const left = await keysBelow(cloud, stack.staging, `runs/${runId}/`);
  expect(left, "what a completed run leaves in staging").toEqual([]);

  const status = await clustseg(cloud, stack, "status", runId, "--json");
  expect(status.code, status.stderr).toBe(0);
  expect(status.stdout).toContain(runId);

  // Asked again, it finds that all is done, and writes none of it.
  const again = proxy.ledger.mark();
  const second = await submit(cloud, stack, "archive/");
  expect((await ended(cloud, stack, second)).status).toBe("SUCCEEDED");
  const rewritten = [...proxy.ledger.acknowledgedWrites(stack.results, again).keys()];
  expect(rewritten.filter((key) => key.startsWith("superpixels/archive/"))).toEqual([]);

  const figures = perImage(cloud, stack, images.size, since, again);
  console.log(`Requests and bytes an image, ${images.size} images:\n${figures.table}`);
  expect(figures.putsAtDefault).toBeLessThanOrEqual(2.1);
});
