import { afterAll, beforeAll, expect, it } from "vitest";
import { type Model, openModel } from "../../layers/model/open-model.js";
import { decoded, scene } from "./pictures.js";

let one: Model;
let pool: Model;
beforeAll(async () => {
  one = await openModel(undefined, { threads: 1 });
  pool = await openModel(undefined, { threads: 1, workers: 2 });
});
afterAll(async () => {
  await Promise.all([one?.close(), pool?.close()]);
});

it("several workers give what one gives, whichever takes an image", async () => {
  const images = [90, 120, 75, 110].map((width, seed) => decoded(scene(width, 64, seed + 1), width, 64));
  const together = await Promise.all(images.map((image) => pool.segment(image, { superpixels: 30 })));
  for (const [i, image] of images.entries()) {
    expect(together[i]?.map.ids).toEqual((await one.segment(image, { superpixels: 30 })).map.ids);
  }
});

it("a pool that is closed takes no more images", async () => {
  const closed = await openModel(undefined, { threads: 1, workers: 2 });
  await closed.close();
  await expect(closed.segment(decoded(scene(64, 64), 64, 64), { superpixels: 10 })).rejects.toMatchObject({
    code: "MODEL_CLOSED",
  });
});
