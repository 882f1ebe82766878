import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeImage } from "../../layers/model/decode.js";
import { type Model, openModel } from "../../layers/model/open-model.js";
import { picture, sameBytes, scene, tinyBundle } from "./pictures.js";

const width = 96;
const height = 64;
const upright = scene(width, height, 7);

/** Where a stored pixel is shown, by EXIF orientation; W and H are the size shown. */
const shownAt: Record<number, (x: number, y: number) => [number, number]> = {
  1: (x, y) => [x, y],
  2: (x, y) => [width - 1 - x, y],
  3: (x, y) => [width - 1 - x, height - 1 - y],
  4: (x, y) => [x, height - 1 - y],
  5: (x, y) => [y, x],
  6: (x, y) => [width - 1 - y, x],
  7: (x, y) => [width - 1 - y, height - 1 - x],
  8: (x, y) => [y, height - 1 - x],
};

/** The file of a camera that was held in the way `orientation` says: shown, it is `upright`. */
async function stored(orientation: number, format: "jpeg" | "png" | "webp" | "tiff"): Promise<Uint8Array> {
  const [w, h] = orientation >= 5 ? [height, width] : [width, height];
  const rgb = new Uint8Array(w * h * 3);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const [shownX, shownY] = shownAt[orientation]!(x, y);
      const from = 3 * (shownY * width + shownX);
      rgb.set(upright.subarray(from, from + 3), 3 * (y * w + x));
    }
  }
  const tagged = picture(rgb, w, h).withMetadata({ orientation });
  if (format === "jpeg") return tagged.jpeg({ quality: 100, chromaSubsampling: "4:4:4" }).toBuffer();
  if (format === "webp") return tagged.webp({ lossless: true }).toBuffer();
  if (format === "tiff") return tagged.tiff({ compression: "lzw" }).toBuffer();
  return tagged.png().toBuffer();
}

let model: Model;
beforeAll(async () => {
  model = await openModel(tinyBundle, { threads: 1 });
});
afterAll(() => model.close());

describe.each([1, 2, 3, 4, 5, 6, 7, 8])("EXIF orientation %i", (orientation) => {
  test.each(["png", "webp", "tiff"] as const)("%s: pixels are upright and the mask lies on them", async (format) => {
    const { map: expected } = await model.segment(await decodeImage(await stored(1, format)), { superpixels: 24 });

    const image = await decodeImage(await stored(orientation, format));
    const { map } = await model.segment(image, { superpixels: 24 });

    expect(image.frame).toMatchObject({ width, height, orientation });
    expect(sameBytes(image.data, upright)).toBe(true);
    expect(map).toMatchObject({ width, height });
    expect(sameBytes(map.ids, expected.ids)).toBe(true);
  });

  test("jpeg: upright up to what JPEG loses", async () => {
    const image = await decodeImage(await stored(orientation, "jpeg"));

    expect(image.frame).toMatchObject({ width, height, orientation });
    let sum = 0;
    for (let i = 0; i < upright.length; i++) sum += Math.abs(image.data[i]! - upright[i]!);
    expect(sum / upright.length).toBeLessThan(2);
  });
});
