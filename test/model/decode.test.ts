import { describe, expect, test } from "vitest";
import { decodeImage } from "../../layers/model/decode.js";
import { sharp } from "../../layers/model/libvips.js";
import { largestDifference, picture } from "./pictures.js";

const width = 48;
const height = 32;
/** Smooth, so that lossy formats and colour conversions stay close. */
const rgb = new Uint8Array(width * height * 3);
for (let y = 0, i = 0; y < height; y++) {
  for (let x = 0; x < width; x++) {
    rgb[i++] = 60 + 3 * x;
    rgb[i++] = 50 + 4 * y;
    rgb[i++] = 128;
  }
}
const make = () => picture(rgb, width, height);

describe("every accepted format becomes upright sRGB, 8 bit, three channels", () => {
  test.each([
    ["JPEG", () => make().jpeg({ quality: 95 }), { format: "jpeg", space: "srgb", depth: "uchar" }, 6],
    ["progressive JPEG", () => make().jpeg({ quality: 95, progressive: true }), { format: "jpeg" }, 6],
    ["PNG", () => make().png(), { format: "png" }, 0],
    ["interlaced PNG", () => make().png({ progressive: true }), { format: "png" }, 0],
    ["lossless WebP", () => make().webp({ lossless: true }), { format: "webp" }, 0],
    ["lossy WebP", () => make().webp({ quality: 95 }), { format: "webp" }, 8],
    ["LZW TIFF", () => make().tiff({ compression: "lzw" }), { format: "tiff" }, 0],
    ["JPEG in TIFF", () => make().tiff({ compression: "jpeg", quality: 95 }), { format: "tiff" }, 6],
    ["lossless AVIF", () => make().avif({ lossless: true, effort: 0 }), { format: "avif" }, 2],
    ["CMYK JPEG", () => make().toColourspace("cmyk").jpeg({ quality: 95 }), { format: "jpeg", space: "cmyk" }, 40],
    [
      "CMYK TIFF",
      () => make().toColourspace("cmyk").tiff({ compression: "lzw" }),
      { format: "tiff", space: "cmyk" },
      40,
    ],
    ["16 bit RGB PNG", () => make().toColourspace("rgb16").png(), { space: "rgb16", depth: "ushort" }, 1],
    ["16 bit RGB TIFF", () => make().toColourspace("rgb16").tiff({ compression: "lzw" }), { depth: "ushort" }, 1],
    ["Lab TIFF", () => make().toColourspace("lab").tiff({ compression: "lzw" }), { space: "lab", depth: "float" }, 2],
    ["Display P3 PNG", () => make().withIccProfile("p3").png(), { format: "png" }, 3],
    ["palette PNG", () => make().png({ palette: true, dither: 0 }), { format: "png", depth: "uchar" }, 24],
    ["GIF", () => make().gif({ dither: 0 }), { format: "gif" }, 40],
  ] as const)("%s", async (_, file, frame, tolerance) => {
    const image = await decodeImage(await file().toBuffer());

    expect(image).toMatchObject({ width, height });
    expect(image.frame).toMatchObject({ width, height, orientation: 1, pages: 1, notes: [], ...frame });
    expect(largestDifference(image.data, rgb)).toBeLessThanOrEqual(tolerance);
  });

  test.each([
    ["8 bit grey PNG", () => make().toColourspace("b-w").png(), "uchar"],
    ["8 bit grey JPEG", () => make().toColourspace("b-w").jpeg({ quality: 100 }), "uchar"],
    ["16 bit grey PNG", () => make().toColourspace("grey16").png(), "ushort"],
    ["16 bit grey TIFF", () => make().toColourspace("grey16").tiff({ compression: "lzw" }), "ushort"],
  ] as const)("%s: three equal channels that keep their range", async (_, file, depth) => {
    const expected = await make().toColourspace("b-w").raw().toBuffer();

    const image = await decodeImage(await file().toBuffer());

    expect(image.frame.depth).toBe(depth);
    expect(image.data.length).toBe(width * height * 3);
    for (let i = 0; i < expected.length; i++) {
      const [r, g, b] = image.data.subarray(3 * i, 3 * i + 3);
      expect(r === g && g === b).toBe(true);
      expect(Math.abs(r! - expected[i]!)).toBeLessThanOrEqual(3);
    }
  });
});

describe("transparency is laid over white", () => {
  // Left half transparent, right half opaque red.
  const rgba = new Uint8Array(width * height * 4);
  for (let i = 0; i < width * height; i++) rgba.set(i % width < width / 2 ? [200, 0, 0, 0] : [200, 0, 0, 255], 4 * i);
  const raw = () => sharp(rgba, { raw: { width, height, channels: 4 } });

  test.each([
    ["PNG", () => raw().png()],
    ["16 bit PNG", () => raw().toColourspace("rgb16").png()],
    ["palette PNG", () => raw().png({ palette: true })],
    ["WebP", () => raw().webp({ lossless: true })],
    ["TIFF", () => raw().tiff({ compression: "lzw" })],
    ["AVIF", () => raw().avif({ lossless: true, effort: 0 })],
    ["GIF", () => raw().gif()],
  ] as const)("%s", async (_, file) => {
    const image = await decodeImage(await file().toBuffer());

    expect(image.frame.alpha).toBe(true);
    expect([...image.data.subarray(0, 3)]).toEqual([255, 255, 255]);
    const last = [...image.data.subarray(-3)];
    expect(largestDifference(Uint8Array.from(last), Uint8Array.of(200, 0, 0))).toBeLessThanOrEqual(4);
  });

  test("half transparent grey is mixed with white", async () => {
    const grey = Uint8Array.from({ length: 2 * 16 }, (_, i) => (i % 2 === 0 ? 100 : 128));
    const file = await sharp(grey, { raw: { width: 4, height: 4, channels: 2 } })
      .png()
      .toBuffer();

    const image = await decodeImage(file);

    expect(Math.abs(image.data[0]! - 177)).toBeLessThanOrEqual(1);
  });
});

describe("of several frames or pages the first is taken, and the frame says so", () => {
  const frames = new Uint8Array(3 * width * height * 3);
  for (let i = 0; i < frames.length; i++) frames[i] = [40, 120, 220][Math.floor(i / (width * height * 3))]!;
  const raw = () => sharp(frames, { raw: { width, height: 3 * height, channels: 3, pageHeight: height } });

  test.each([
    ["animated GIF", () => raw().gif(), "first of 3 frames"],
    ["animated WebP", () => raw().webp({ lossless: true }), "first of 3 frames"],
  ] as const)("%s", async (_, file, note) => {
    const image = await decodeImage(await file().toBuffer());

    expect(image).toMatchObject({ width, height });
    expect(image.frame).toMatchObject({ pages: 3, notes: [note] });
    expect(image.data.every((value) => Math.abs(value - 40) <= 2)).toBe(true);
  });
});

describe("odd shapes and channels", () => {
  test.each([
    [1, 1],
    [1, 5000],
    [5000, 1],
  ])("%i x %i", async (w, h) => {
    const file = await picture(new Uint8Array(w * h * 3).fill(77), w, h)
      .png()
      .toBuffer();

    const image = await decodeImage(file);

    expect(image).toMatchObject({ width: w, height: h });
    expect(image.data).toEqual(new Uint8Array(w * h * 3).fill(77));
  });

  test("of five channels the first three are taken, with a note", async () => {
    const white = await sharp(new Uint8Array(64).fill(255), { raw: { width: 8, height: 8, channels: 1 } })
      .toColourspace("b-w")
      .png()
      .toBuffer();
    const colour = picture(
      Uint8Array.from({ length: 192 }, (_, i) => 10 * (i % 3)),
      8,
      8,
    );
    const file = await colour.joinChannel([white, white]).tiff({ compression: "lzw" }).toBuffer();

    const image = await decodeImage(file);

    expect(image.frame.notes).toEqual(["first three of 5 channels"]);
    expect([...image.data.subarray(0, 6)]).toEqual([0, 10, 20, 0, 10, 20]);
  });

  test("the given bytes are left as they are", async () => {
    const file = await make().jpeg().toBuffer();
    const before = Buffer.from(file);

    await decodeImage(file);

    expect(file.equals(before)).toBe(true);
  });
});
