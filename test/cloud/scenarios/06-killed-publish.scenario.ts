import { expect, test } from "vitest";
import { expectOutcomes, placeAll } from "../check.js";
import { openCloud } from "../cloud.js";
import { all, ended, submit, tinyImages } from "../runs.js";

const cloud = await openCloud();
const stack = await cloud.stack("dev");
const { functions, proxy } = cloud.emulator;

test("6 publish dies half way, and is called again", async () => {
  const images = await tinyImages("publish/", 60, 7);
  await placeAll(cloud, stack, images);
  const since = proxy.ledger.mark();

  let puts = 0;
  const midway = proxy.next(
    ({ stage, bucket, operation }) =>
      stage === "publish" && bucket === stack.results && operation === "PutObject" && ++puts === 31,
  );
  const runId = await submit(cloud, stack, "publish/");
  const { caller } = await midway;
  const killed = await functions.kill(caller);
  const run = await ended(cloud, stack, runId);

  expect(killed).toBe(true);
  expect(run.status).toBe("SUCCEEDED");
  const publishers = new Set(
    proxy.ledger
      .entries(since)
      .filter(
        ({ stage, bucket, operation }) => stage === "publish" && bucket === stack.results && operation === "PutObject",
      )
      .map((entry) => entry.caller),
  );
  expect(publishers.size).toBe(2);
  // Eight items are written at once; of each, what was there is compared and not written again.
  await expectOutcomes(cloud, stack, all(images.keys(), "segmented"), { since, rewrites: 8 });
});
