import { expect, test } from "vitest";
import { expectMask, expectOutcomes, readJson, uploadAll } from "../check.js";
import { openCloud, settled } from "../cloud.js";
import { all, tinyImages } from "../runs.js";

const cloud = await openCloud();
const stack = await cloud.stack("two");

test("12 two models over the same bucket: each upload has a result of both", async () => {
  const since = cloud.emulator.proxy.ledger.mark();
  const images = await tinyImages("both/", 6, 13);

  await uploadAll(cloud, stack, images);
  await settled(cloud, stack);

  const models = new Map<string, string>();
  for (const pipeline of ["superpixels", "photo"]) {
    await expectOutcomes(cloud, stack, all(images.keys(), "segmented"), { since, pipeline });
    const folder = `${pipeline}/both/00000.png`;
    if (pipeline === "superpixels") await expectMask(cloud, stack, folder);
    const { model } = await readJson<{ model: { name: string } }>(cloud, stack.results, `${folder}/metadata.json`);
    models.set(pipeline, model.name);
  }
  expect(Object.fromEntries(models)).toEqual({ superpixels: "clustseg-superpixel", photo: "clustseg-photo" });
});
