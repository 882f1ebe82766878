import { describe, expect, test } from "vitest";
import { decodeIds, encodeIds, encodeRgbJpeg, encodeRgbPng } from "../../layers/model/encode.js";
import { sharp } from "../../layers/model/libvips.js";
import { largestDifference, sameBytes, scene, seeded } from "./pictures.js";

/** A map in which every id from 0 to `segments` occurs. */
function mapOf(segments: number, width = 320, height = 240) {
  const random = seeded(segments);
  const ids = Uint16Array.from({ length: width * height }, (_, i) =>
    i <= segments ? i : Math.floor(random() * (segments + 1)),
  );
  return { width, height, segments, ids };
}

describe("segments.png", () => {
  test.each([
    [1, 8],
    [255, 8],
    [256, 16],
    [65_535, 16],
  ])("%i segments: one grey channel of %i bits, read back as it was", async (segments, bits) => {
    const map = mapOf(segments);

    const png = await encodeIds(map);

    // PNG header: bit depth at byte 24, colour type (0 = grey) at byte 25.
    expect([png[24], png[25]]).toEqual([bits, 0]);
    expect(await sharp(png).metadata()).toMatchObject({ channels: 1, depth: bits === 8 ? "uchar" : "ushort" });
    const back = await decodeIds(png);
    expect({ ...back, ids: 0 }).toEqual({ ...map, ids: 0 });
    expect(sameBytes(back.ids, map.ids)).toBe(true);
  });

  test.each([
    [1, 1],
    [1, 5000],
    [5000, 1],
  ])("%i x %i", async (width, height) => {
    const map = { width, height, segments: 1, ids: new Uint16Array(width * height).fill(1) };

    expect(await decodeIds(await encodeIds(map))).toEqual(map);
  });

  test("the same map gives the same bytes, also beside others", async () => {
    const map = mapOf(700);
    const first = await encodeIds(map);

    const many = await Promise.all(Array.from({ length: 8 }, () => encodeIds(map)));

    expect(many.every((png) => sameBytes(png, first))).toBe(true);
  });

  test("what is no grey PNG of one channel is refused", async () => {
    const colour = await encodeRgbPng(scene(8, 8), 8, 8);

    await expect(decodeIds(colour)).rejects.toMatchObject({ code: "SEGMENT_MAP_INVALID" });
    await expect(decodeIds(colour.subarray(0, 50))).rejects.toMatchObject({ code: "SEGMENT_MAP_INVALID" });
  });

  test("a map with a gap in its ids is refused", async () => {
    const gap = await encodeIds({ width: 2, height: 1, segments: 3, ids: Uint16Array.of(1, 3) });

    await expect(decodeIds(gap)).rejects.toMatchObject({ code: "SEGMENT_MAP_INVALID" });
  });
});

describe("colour pictures", () => {
  const rgb = scene(90, 60);

  test("PNG keeps every pixel", async () => {
    const png = await encodeRgbPng(rgb, 90, 60);

    const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    expect(info.channels).toBe(3);
    expect(sameBytes(data, rgb)).toBe(true);
  });

  test("JPEG stays close, red lines included", async () => {
    const lined = Uint8Array.from(rgb);
    for (let x = 0; x < 90; x++) lined.set([255, 0, 0], 3 * (30 * 90 + x));

    const jpeg = await encodeRgbJpeg(lined, 90, 60);

    const data = await sharp(jpeg).raw().toBuffer();
    expect(
      largestDifference(data.subarray(3 * 30 * 90, 3 * 31 * 90), lined.subarray(3 * 30 * 90, 3 * 31 * 90)),
    ).toBeLessThan(90);
  });

  test("sizes that do not fit the pixels are an error, not a picture", async () => {
    await expect(encodeRgbPng(rgb, 91, 60)).rejects.toMatchObject({ code: "ENCODE_FAILED" });
  });
});
