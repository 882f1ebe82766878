import { expect, test } from "vitest";
import { expectOutcomes, keysBelow, placeAll, readJson } from "../check.js";
import { clustseg, openCloud } from "../cloud.js";
import { all, ended, submit, tinyImages } from "../runs.js";

const cloud = await openCloud();
const stack = await cloud.stack("dev");
const { proxy } = cloud.emulator;

interface Report {
  readonly status: string;
  readonly items: { readonly total: number; readonly segmented: number; readonly pending: number };
}

test("10 a run is cancelled, then taken up again", async () => {
  const images = await tinyImages("cancelled/", 200, 12);
  await placeAll(cloud, stack, images);
  const since = proxy.ledger.mark();

  // From the first pack on the worker is held before its next image, until the run is cancelled.
  let release = () => {};
  const cancelled = new Promise<void>((resolve) => {
    release = resolve;
  });
  const packed = proxy.next(
    ({ stage, operation, key }) => stage === "segment" && operation === "PutObject" && key.includes("/packs/"),
  );
  let hasPacked = false;
  const unwatch = proxy.watch(async ({ stage, bucket }) => {
    if (hasPacked && stage === "segment" && bucket === stack.uploads) await cancelled;
    return undefined;
  });
  const runId = await submit(cloud, stack, "cancelled/");
  await packed;
  hasPacked = true;
  const cancel = await clustseg(cloud, stack, "cancel", runId, "--json");
  expect(cancel.code, cancel.stderr).toBe(0);
  release();
  unwatch();
  await ended(cloud, stack, runId);

  const report = await readJson<Report>(cloud, stack.results, `superpixels/reports/${runId}.json`);
  expect(report.status).toBe("cancelled");
  expect(report.items.total).toBe(images.size);
  const done = await keysBelow(cloud, stack.results, "superpixels/cancelled/");
  expect(done.length).toBeLessThan(images.size * 2);
  expect(report.items.segmented * 2).toBe(done.length);

  const redrive = await clustseg(cloud, stack, "redrive", runId, "--json");
  expect(redrive.code, redrive.stderr).toBe(0);
  const second = await ended(cloud, stack, `${runId}-retry-1`);

  expect(second.status).toBe("SUCCEEDED");
  await expectOutcomes(cloud, stack, all(images.keys(), "segmented"), { since });
});
