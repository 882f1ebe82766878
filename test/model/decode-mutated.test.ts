import { expect, test } from "vitest";
import { decodeImage } from "../../layers/model/decode.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { picture, scene, seeded } from "./pictures.js";

const width = 40;
const height = 28;

/** Small files of every accepted format, and of the variants that take other ways through the decoders. */
async function seeds(): Promise<Uint8Array[]> {
  const make = () => picture(scene(width, height), width, height);
  const animated = picture(scene(width, 3 * height), width, 3 * height);
  const files = [
    make().jpeg(),
    make().jpeg({ progressive: true, quality: 60 }),
    make().toColourspace("cmyk").jpeg(),
    make().withMetadata({ orientation: 6 }).jpeg(),
    make().png(),
    make().png({ progressive: true }),
    make().png({ palette: true }),
    make().toColourspace("grey16").png(),
    make().withIccProfile("p3").png(),
    make().webp(),
    make().webp({ lossless: true }),
    make().tiff({ compression: "lzw" }),
    make().tiff({ compression: "jpeg" }),
    make().tiff({ compression: "deflate", tile: true, tileWidth: 16, tileHeight: 16, pyramid: true }),
    make().gif(),
    animated.clone().gif(),
    make().avif({ effort: 0 }),
  ];
  return Promise.all(files.map((file) => file.toBuffer()));
}

/** One to eight of: a byte or a run overwritten, a length made huge, bytes cut out, repeated or cut off; mostly near the header. */
function mutated(file: Uint8Array, random: () => number): Uint8Array {
  let bytes = Uint8Array.from(file);
  const changes = 1 + Math.floor(random() * 8);
  for (let change = 0; change < changes; change++) {
    const reach = random() < 0.5 ? Math.min(300, bytes.length) : bytes.length;
    const at = Math.floor(random() * reach);
    const run = 1 + Math.floor(random() * 16);
    const kind = Math.floor(random() * 6);
    if (kind <= 1) bytes[at] = Math.floor(random() * 256);
    else if (kind === 2) bytes.fill(Math.floor(random() * 256), at, at + run);
    else if (kind === 3) bytes.set([0xff, 0xff, 0xff, 0x7f].slice(0, bytes.length - at), at);
    else if (kind === 4) bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + run)]);
    else if (random() < 0.8)
      bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at > run ? at - run : 0)]);
    else bytes = bytes.slice(0, at);
  }
  return bytes;
}

test("5,000 mutated files: each is decoded or rejected with a stable code, and nothing crashes", async () => {
  const files = await seeds();
  const random = seeded(20_260_301);
  const ends = new Map<string, number>();
  const one = async (bytes: Uint8Array): Promise<void> => {
    let end = "decoded";
    try {
      const image = await decodeImage(bytes, { maxPixels: 200_000 });
      expect(image.data.length).toBe(image.width * image.height * 3);
    } catch (error) {
      if (!(error instanceof ClustsegError)) throw error;
      end = error.code;
    }
    ends.set(end, (ends.get(end) ?? 0) + 1);
  };

  for (let batch = 0; batch < 5000; batch += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, i) => one(mutated(files[(batch + i) % files.length]!, random))));
  }

  expect([...ends.values()].reduce((sum, count) => sum + count)).toBe(5000);
  for (const end of ends.keys()) {
    expect(end).toMatch(/^(decoded|IMAGE_(EMPTY|UNSUPPORTED|TRUNCATED|DAMAGED|TOO_LARGE))$/);
  }
  // The mutations must not be so strong that only headers are tried.
  expect(ends.get("decoded")).toBeGreaterThan(500);
}, 60_000);
