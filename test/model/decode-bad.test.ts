import { crc32, deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { decodeImage } from "../../layers/model/decode.js";
import { picture, scene } from "./pictures.js";

const width = 120;
const height = 80;
const make = () => picture(scene(width, height), width, height);
const utf8 = (text: string) => new TextEncoder().encode(text);

function pngChunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}

/** A black PNG of 1 bit a pixel: 12,000 x 12,000 pixels take 20 KB. */
function blackPng(side: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 1;
  const pixels = deflateSync(Buffer.alloc(side * (1 + Math.ceil(side / 8))));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    pngChunk("IHDR", header),
    pngChunk("IDAT", pixels),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}

const svg = utf8(`<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY host SYSTEM "file:///etc/hostname">]>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="64" height="64">
<text y="20">&host;</text><image xlink:href="file:///etc/hostname" width="9" height="9"/></svg>`);

describe("what is not an accepted image is rejected by content, with a stable code", () => {
  test.each([
    ["zero bytes", new Uint8Array(0), "IMAGE_EMPTY"],
    ["one byte", Uint8Array.of(0xff), "IMAGE_UNSUPPORTED"],
    ["text named .jpg", utf8("This is not a picture.\n".repeat(50)), "IMAGE_UNSUPPORTED"],
    ["an SVG with an external entity", svg, "IMAGE_UNSUPPORTED"],
    ["a PDF", utf8("%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"), "IMAGE_UNSUPPORTED"],
    ["a BMP", Buffer.concat([Buffer.from("BM"), Buffer.alloc(200)]), "IMAGE_UNSUPPORTED"],
    ["a libvips file", Buffer.concat([Buffer.from([0x08, 0xf2, 0xa6, 0xb6]), Buffer.alloc(200)]), "IMAGE_UNSUPPORTED"],
    ["an iPhone's HEIC", Buffer.from("\0\0\0\x18ftypheic\0\0\0\0mif1heic", "latin1"), "IMAGE_UNSUPPORTED"],
    ["a PPM", utf8("P6 2 2 255\n000000000000"), "IMAGE_UNSUPPORTED"],
  ] as const)("%s", async (_, bytes, code) => {
    await expect(decodeImage(bytes)).rejects.toMatchObject({ name: "ClustsegError", code, fault: "input" });
  });

  test("32 bit float grey, whose range nobody knows", async () => {
    const float = new Float32Array(64).fill(0.5);
    const { sharp } = await import("../../layers/model/libvips.js");
    const file = await sharp(new Uint8Array(float.buffer), { raw: { width: 8, height: 8, channels: 4 } })
      .toColourspace("scrgb")
      .extractChannel(0)
      .tiff({ compression: "lzw" })
      .toBuffer();

    await expect(decodeImage(file)).rejects.toMatchObject({ code: "IMAGE_UNSUPPORTED" });
  });
});

describe("a file that ends early is rejected, wherever it ends", () => {
  const files = {
    jpeg: () => make().jpeg(),
    "progressive jpeg": () => make().jpeg({ progressive: true }),
    png: () => make().png(),
    "interlaced png": () => make().png({ progressive: true }),
    webp: () => make().webp(),
    gif: () => make().gif(),
    tiff: () => make().tiff({ compression: "lzw" }),
    avif: () => make().avif({ effort: 0 }),
  };
  describe.each(Object.entries(files))("%s", (_, file) => {
    test.each([0.98, 0.7, 0.3])("after %f of its bytes", async (part) => {
      const whole = await file().toBuffer();

      const cut = decodeImage(whole.subarray(0, Math.floor(part * whole.length)));

      await expect(cut).rejects.toMatchObject({ code: "IMAGE_TRUNCATED" });
    });
  });
});

test("the code does not depend on what is decoded at the same time", async () => {
  const whole = await Promise.all([make().jpeg(), make().png(), make().webp(), make().gif()].map((f) => f.toBuffer()));
  const bad = whole.flatMap((file) => [file.subarray(0, file.length / 2), Buffer.from(file).fill(0x55, 200, 260)]);
  const code = (bytes: Uint8Array) =>
    decodeImage(bytes).then(
      () => "decoded",
      (error: { code: string }) => error.code,
    );
  const alone: string[] = [];
  for (const bytes of bad) alone.push(await code(bytes));

  const together = await Promise.all(Array.from({ length: 25 }, () => bad.map(code)).flat());

  expect(together).toEqual(Array.from({ length: 25 }, () => alone).flat());
});

describe("too many pixels are refused before they are decoded", () => {
  test("a decompression bomb: 144 megapixels in 20 KB", async () => {
    const bomb = blackPng(12_000);
    expect(bomb.length).toBeLessThan(30_000);
    const before = process.memoryUsage().rss;

    await expect(decodeImage(bomb)).rejects.toMatchObject({ code: "IMAGE_TOO_LARGE" });

    expect(process.memoryUsage().rss - before).toBeLessThan(50e6);
  });

  test("a limit of one's own", async () => {
    const file = await make().png().toBuffer();

    await expect(decodeImage(file, { maxPixels: width * height - 1 })).rejects.toMatchObject({
      code: "IMAGE_TOO_LARGE",
      hint: expect.stringContaining("limit"),
    });
    await expect(decodeImage(file, { maxPixels: width * height })).resolves.toMatchObject({ width });
  });
});

describe("files about which the decoder only warns", () => {
  test("stray bytes between a JPEG's segments: decoded, with a note", async () => {
    const file = await make().jpeg().toBuffer();
    const good = await decodeImage(file);
    const strayed = Buffer.concat([file.subarray(0, 2), Buffer.from([1, 2, 3]), file.subarray(2)]);

    const image = await decodeImage(strayed);

    expect(image.data).toEqual(good.data);
    expect(image.frame.notes).toEqual([expect.stringContaining("warned")]);
  });

  test("bytes after the end are ignored", async () => {
    const file = await make().jpeg().toBuffer();

    const image = await decodeImage(Buffer.concat([file, Buffer.alloc(500, 7)]));

    expect(image.frame.notes).toEqual([]);
  });

  test("a PNG whose pixels are damaged is rejected", async () => {
    const file = await make().png().toBuffer();
    const middle = Math.floor(file.length / 2);
    file.fill(0x55, middle, middle + 40);

    await expect(decodeImage(file)).rejects.toMatchObject({ code: "IMAGE_DAMAGED" });
  });
});
