import { expect, test } from "vitest";
import { expectMask, keysBelow, upload } from "../check.js";
import { openCloud, settled } from "../cloud.js";
import { tinyImage } from "../images.js";

const cloud = await openCloud();
const stack = await cloud.stack("dev");
const { proxy } = cloud.emulator;

test("9 an object is overwritten while it is in work: both versions have their result", async () => {
  const key = "twice/picture.png";
  const [first, second] = [await tinyImage(900, 40, 30), await tinyImage(901, 48, 36)];

  // When the first version is about to be read, the second takes its place.
  let later = "";
  let overwritten = false;
  const unwatch = proxy.watch(async (call) => {
    const reads = ["quick", "segment"].includes(call.stage) && call.operation === "GetObject" && call.key === key;
    if (!reads || overwritten) return undefined;
    overwritten = true;
    later = await upload(cloud, stack, key, second);
    return undefined;
  });
  const earlier = await upload(cloud, stack, key, first);
  await settled(cloud, stack);
  unwatch();

  expect(overwritten).toBe(true);
  const current = await expectMask(cloud, stack, `superpixels/${key}`);
  expect(current.source.version_id).toBe(later);
  expect(current.frame).toMatchObject({ width: 48, height: 36 });
  const older = (await keysBelow(cloud, stack.results, `superpixels/${key}/versions/`)).find((found) =>
    found.endsWith("/metadata.json"),
  );
  expect(older, "the result of the version that was overwritten").toBeDefined();
  const kept = await expectMask(cloud, stack, older!.slice(0, -"/metadata.json".length));
  expect(kept.source.version_id).toBe(earlier);
  expect(kept.frame).toMatchObject({ width: 40, height: 30 });
});
