import { expect, test } from "vitest";
import { expectOutcomes, keysBelow, upload, uploadAll } from "../check.js";
import { isLong, openCloud, settled } from "../cloud.js";
import { all, seeded, tinyImages } from "../runs.js";

const cloud = await openCloud();
const stack = await cloud.stack("dev");

test("2 two hundred uploads at once, with duplicated and reordered events", async () => {
  const { poller, proxy } = cloud.emulator;
  const since = proxy.ledger.mark();
  const images = await tinyImages("many/", isLong ? 1000 : 200, 2);
  let duplicates = 0;
  const random = seeded(20_260_102);
  poller.disorder = { random, duplicates: 0.3, onDuplicate: () => duplicates++ };

  await Promise.all([
    uploadAll(cloud, stack, images),
    // What is no image is nobody's business: a folder as the console makes it, a text.
    upload(cloud, stack, "many/a folder/", new Uint8Array()),
    upload(cloud, stack, "many/read me.txt", new TextEncoder().encode("hello")),
  ]);
  await settled(cloud, stack);
  poller.disorder = undefined;

  expect(duplicates).toBeGreaterThan(images.size / 10);
  await expectOutcomes(cloud, stack, all(images.keys(), "segmented"), { since });
  const results = await keysBelow(cloud, stack.results, "superpixels/many/");
  expect(results).toHaveLength(images.size * 2);
});
