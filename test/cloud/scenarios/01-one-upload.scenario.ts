import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { expectMask, expectOutcomes, upload } from "../check.js";
import { clustseg, openCloud, runProgram, settled } from "../cloud.js";

const cloud = await openCloud();
const stack = await cloud.stack("dev");

test("1 an upload becomes masks and metadata", async () => {
  const since = cloud.emulator.proxy.ledger.mark();
  const image = await readFile("examples/images/cat.jpg");
  const key = "holiday 2024/die Katze +1.jpg";

  const version = await upload(cloud, stack, key, image);
  await settled(cloud, stack);

  await expectOutcomes(cloud, stack, new Map([[key, "segmented"]]), { since });
  const { source, segments } = await expectMask(cloud, stack, `superpixels/${key}`);
  expect(source.key).toBe(key);
  expect(source.version_id).toBe(version);
  expect(segments).toBeGreaterThan(100);
});

test("1 the example application uploads an image and draws a picture of its result", async () => {
  const picture = join(await mkdtemp(join(tmpdir(), "clustseg-example-")), "picture.png");

  const { code, stdout, stderr } = await runProgram(
    cloud,
    stack,
    "examples/cloud/upload-and-see.mjs",
    "examples/images/meadow-rotated.jpg",
    picture,
  );

  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/\d+ segments, by clustseg-superpixel@/);
  const { width, height } = await sharp(picture).metadata();
  // Upright, as the mask is.
  expect([width, height]).toEqual([800, 450]);
});

test("1 doctor finds the stack in order, and sends an image through it", async () => {
  const { code, stdout, stderr } = await clustseg(cloud, stack, "doctor", "--cloud", "--smoke");

  expect(stdout + stderr).toContain("smoke test superpixels");
  expect(code, stdout + stderr).toBe(0);
});
