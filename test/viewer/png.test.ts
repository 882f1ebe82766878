import { deflateSync } from "node:zlib";
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { encodeIds } from "../../layers/model/encode.js";
import { decodeGreyPng } from "../../layers/viewer/page/data/png.js";

/** A grey PNG by the book, each row with the filter that is named; sharp chooses filters by itself. */
function greyPng(width: number, height: number, depth: 8 | 16, values: readonly number[], filters: readonly number[]) {
  const step = depth / 8;
  const rows: number[][] = [];
  for (let y = 0; y < height; y++) {
    const row = values.slice(y * width, (y + 1) * width);
    rows.push(depth === 8 ? row : row.flatMap((value) => [value >> 8, value & 255]));
  }
  const filtered = rows.flatMap((row, y) => {
    const filter = filters[y]!;
    return [
      filter,
      ...row.map((value, i) => {
        const left = row[i - step] ?? 0;
        const upper = rows[y - 1]?.[i] ?? 0;
        const corner = i < step ? 0 : (rows[y - 1]?.[i - step] ?? 0);
        return (value - [0, left, upper, (left + upper) >> 1, paeth(left, upper, corner)][filter]!) & 255;
      }),
    ];
  });
  return assemble(width, height, depth, deflateSync(Uint8Array.from(filtered)));
}

function paeth(a: number, b: number, c: number): number {
  const p = a + b - c;
  const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
  if (pa <= pb && pa <= pc) return a;
  return pb <= pc ? b : c;
}

function assemble(
  width: number,
  height: number,
  depth: number,
  data: Uint8Array,
  pieces = 1,
  color = 0,
  interlace = 0,
) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header.set([depth, color, 0, 0, interlace], 8);
  const size = Math.ceil(data.length / pieces);
  const parts = Array.from({ length: pieces }, (_, i) => chunk("IDAT", data.subarray(i * size, (i + 1) * size)));
  const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10);
  const whole = [
    signature,
    chunk("IHDR", header),
    chunk("tEXt", Buffer.from("a\0b")),
    ...parts,
    chunk("IEND", new Uint8Array()),
  ];
  return Uint8Array.from(Buffer.concat(whole));
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  // The sum is not looked at: zlib has one of its own.
  return Buffer.concat([length, Buffer.from(type), data, Buffer.alloc(4)]);
}

const pictures = fc
  .record({ width: fc.integer({ min: 1, max: 9 }), height: fc.integer({ min: 1, max: 7 }) })
  .chain((size) =>
    fc.record({
      size: fc.constant(size),
      depth: fc.constantFrom(8 as const, 16 as const),
      seeds: fc.array(fc.integer({ min: 0, max: 65_535 }), {
        minLength: size.width * size.height,
        maxLength: size.width * size.height,
      }),
      filters: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: size.height, maxLength: size.height }),
    }),
  );

describe("the page's PNG decoder", () => {
  it("gives back what was put in, whatever the depth and the rows' filters", async () => {
    await fc.assert(
      fc.asyncProperty(pictures, async ({ size: { width, height }, depth, seeds, filters }) => {
        const values = depth === 8 ? seeds.map((value) => value & 255) : seeds;

        const image = await decodeGreyPng(greyPng(width, height, depth, values, filters));

        expect({ ...image, values: [...image.values] }).toEqual({ width, height, depth, values });
      }),
      { numRuns: 300 },
    );
  });

  it.each([0, 1, 2, 3, 4])("undoes filter %i, with 8 and with 16 bits", async (filter) => {
    const values = Array.from({ length: 40 }, (_, i) => (i * 7919) % 65_536);

    const wide = await decodeGreyPng(greyPng(8, 5, 16, values, [filter, filter, filter, filter, filter]));
    const narrow = await decodeGreyPng(
      greyPng(
        8,
        5,
        8,
        values.map((v) => v & 255),
        [filter, filter, filter, filter, filter],
      ),
    );

    expect([...wide.values]).toEqual(values);
    expect([...narrow.values]).toEqual(values.map((v) => v & 255));
  });

  it("reads data in several chunks", async () => {
    const values = Array.from({ length: 64 }, (_, i) => i);
    const rows = Uint8Array.from(Array.from({ length: 8 }, (_, y) => [0, ...values.slice(y * 8, y * 8 + 8)]).flat());

    const { values: read } = await decodeGreyPng(assemble(8, 8, 8, deflateSync(rows), 5));

    expect([...read]).toEqual(values);
  });

  it.each([200, 4000])("reads the segments.png of %i segments that the product writes", async (segments) => {
    const ids = Uint16Array.from({ length: 120 * 80 }, (_, i) => (i % segments) + 1);

    const image = await decodeGreyPng(Uint8Array.from(await encodeIds({ width: 120, height: 80, segments, ids })));

    expect(image.depth).toBe(segments > 255 ? 16 : 8);
    expect(Buffer.from(image.values.buffer).equals(Buffer.from(ids.buffer))).toBe(true);
  });

  it("reads what libvips filters as it likes", async () => {
    const samples = Uint16Array.from({ length: 64 * 48 }, (_, i) => Math.round(30_000 + 20_000 * Math.sin(i / 37)));
    const png = await sharp(samples, { raw: { width: 64, height: 48, channels: 1 } })
      .toColourspace("grey16")
      .png({ adaptiveFiltering: true })
      .toBuffer();

    expect([...(await decodeGreyPng(Uint8Array.from(png))).values]).toEqual([...samples]);
  });

  it.each([
    ["no PNG", Uint8Array.from(Buffer.from("GIF89a and more than eight bytes")), /not a PNG/],
    ["nothing", new Uint8Array(), /not a PNG/],
    ["half a file", greyPng(20, 20, 8, Array(400).fill(7), Array(20).fill(1)).subarray(0, 60), /cut short/],
    ["colour", assemble(1, 1, 8, deflateSync(Uint8Array.of(0, 1, 2, 3)), 1, 2), /not grey/],
    ["an interlaced picture", assemble(1, 1, 8, deflateSync(Uint8Array.of(0, 1)), 1, 0, 1), /interlaced/],
    ["1 bit a pixel", assemble(8, 1, 1, deflateSync(Uint8Array.of(0, 1))), /not grey with 8 or 16/],
    ["a filter that does not exist", assemble(1, 1, 8, deflateSync(Uint8Array.of(5, 1))), /filter/],
    ["data that are no zlib stream", assemble(1, 1, 8, Uint8Array.of(1, 2, 3, 4)), /damaged/],
    ["too few data", assemble(2, 2, 8, deflateSync(Uint8Array.of(0, 1))), /less than/],
    ["too many data", assemble(1, 1, 8, deflateSync(new Uint8Array(1000))), /more than/],
    ["no pixels", assemble(0, 5, 8, deflateSync(new Uint8Array(1))), /out of range/],
    [
      "a size that would take all memory",
      assemble(100_000, 100_000, 16, deflateSync(new Uint8Array(9))),
      /out of range/,
    ],
  ])("refuses %s", async (_, bytes, message) => {
    await expect(decodeGreyPng(Uint8Array.from(bytes))).rejects.toThrow(message);
  });
});
