import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkResultFiles } from "../../layers/model/check-files.js";
import { encodeIds, encodeRgbJpeg, encodeRgbPng } from "../../layers/model/encode.js";
import { crc32, SIGNATURE } from "../../layers/model/indexed-png.js";
import { type SegmentMap, segmentMapFromIds } from "../../layers/segments/segment-map.js";
import { segmentTable } from "../../layers/segments/table.js";

const refused = { code: "SEGMENT_MAP_INVALID" };

/** Vertical stripes, one a segment. */
function stripes(segments: number, stripe = 3, height = 5): SegmentMap {
  const width = segments * stripe;
  const ids = Uint16Array.from({ length: width * height }, (_, i) => Math.floor((i % width) / stripe) + 1);
  return segmentMapFromIds(ids, width, height);
}

function describeMap(map: SegmentMap) {
  const rows = segmentTable(map, new Uint8Array(map.width * map.height * 3));
  return { frame: { width: map.width, height: map.height }, segments: map.segments, segments_info: rows };
}

/** A grey PNG of these rows, each after its filter's byte. */
function greyPng(
  width: number,
  height: number,
  raw: Uint8Array,
  header: Partial<{ depth: number; type: number; interlace: number }> = {},
) {
  const chunk = (type: string, data: Uint8Array) => {
    const bytes = Buffer.alloc(data.length + 12);
    bytes.writeUInt32BE(data.length, 0);
    bytes.write(type, 4, "latin1");
    bytes.set(data, 8);
    bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
    return bytes;
  };
  const ihdr = Buffer.alloc(13);
  ihdr.writeUInt32BE(width, 0);
  ihdr.writeUInt32BE(height, 4);
  ihdr.set([header.depth ?? 8, header.type ?? 0, 0, 0, header.interlace ?? 0], 8);
  return Uint8Array.from(
    Buffer.concat([SIGNATURE, chunk("IHDR", ihdr), chunk("IDAT", deflateSync(raw)), chunk("IEND", new Uint8Array())]),
  );
}

describe("segments.png", () => {
  it.each([1, 2, 255, 256, 3000])("with %i segments, as it is written here, is let through", async (segments) => {
    const map = stripes(segments);

    await checkResultFiles(new Map([["segments.png", await encodeIds(map)]]), describeMap(map));
  });

  it("without any segment, all void, is let through", async () => {
    const map = segmentMapFromIds(new Uint16Array(12), 4, 3);

    await checkResultFiles(new Map([["segments.png", await encodeIds(map)]]), describeMap(map));
  });

  it("with each of PNG's row filters is understood", async () => {
    // Row 0 plain, then Sub, Up, Average, Paeth of the same row 1 2 2.
    const raw = Uint8Array.from([0, 1, 2, 2, 1, 1, 1, 0, 2, 0, 0, 0, 3, 1, 1, 0, 4, 0, 0, 0]);
    const ids = Uint16Array.from(Array.from({ length: 5 }, () => [1, 2, 2]).flat());
    const map = segmentMapFromIds(ids, 3, 5);

    await checkResultFiles(new Map([["segments.png", greyPng(3, 5, raw)]]), describeMap(map));
  });

  const map = stripes(2, 2, 2);
  const rows = Uint8Array.from([0, 1, 1, 2, 2, 0, 1, 1, 2, 2]);
  it.each<[string, Uint8Array]>([
    ["has an id above the number of segments", greyPng(4, 2, rows.with(4, 3))],
    ["has other areas than are listed", greyPng(4, 2, rows.with(1, 2))],
    ["has another size", greyPng(5, 2, Uint8Array.from([0, 1, 1, 2, 2, 2, 0, 1, 1, 2, 2, 2]))],
    ["inflates to more than its size: a bomb", greyPng(4, 2, new Uint8Array(50_000_000))],
    ["inflates to less than its size", greyPng(4, 2, rows.subarray(0, 7))],
    ["is of three channels", greyPng(4, 2, rows, { type: 2 })],
    ["is of 16 bits without need", greyPng(4, 2, rows, { depth: 16 })],
    ["is interlaced", greyPng(4, 2, rows, { interlace: 1 })],
    ["has a filter that there is not", greyPng(4, 2, rows.with(0, 7))],
    ["is cut short", greyPng(4, 2, rows).subarray(0, 40)],
    ["has bytes behind its end", Uint8Array.from([...greyPng(4, 2, rows), 1])],
    ["has no bytes of pixels", Uint8Array.from([...SIGNATURE])],
  ])("that %s is refused", async (_, file) => {
    await expect(checkResultFiles(new Map([["segments.png", file]]), describeMap(map))).rejects.toMatchObject(refused);
  });

  it("with any byte changed is refused, or is still the same map", async () => {
    const whole = stripes(4, 6, 8);
    const file = await encodeIds(whole);
    await fc.assert(
      fc.asyncProperty(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const damaged = file.slice();
        damaged[at] = damaged[at]! ^ change;
        // Every chunk has a checksum, and there is nothing outside of chunks.
        await expect(checkResultFiles(new Map([["segments.png", damaged]]), describeMap(whole))).rejects.toMatchObject(
          refused,
        );
      }),
      { numRuns: 200 },
    );
  });

  it("that does not match a list of segments with a box moved is refused", async () => {
    const description = describeMap(map);
    const moved = description.segments_info.map((row) => ({ ...row, bbox: [row.bbox[0] + 1, 0, 2, 2] as const }));

    await expect(
      checkResultFiles(new Map([["segments.png", await encodeIds(map)]]), { ...description, segments_info: moved }),
    ).rejects.toMatchObject(refused);
  });

  it("of 24 megapixels takes neither long nor much memory", async () => {
    const large = stripes(600, 10, 4000);
    const file = await encodeIds(large);
    const description = describeMap(large);
    const before = process.memoryUsage().arrayBuffers;

    const started = performance.now();
    await checkResultFiles(new Map([["segments.png", file]]), description);

    expect(performance.now() - started).toBeLessThan(5000);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(24e6);
  });
});

describe("the other files of a result", () => {
  const map = stripes(2, 2, 2);
  const rgb = new Uint8Array(4 * 2 * 3);
  const check = async (name: string, body: Uint8Array) =>
    checkResultFiles(
      new Map([
        ["segments.png", await encodeIds(map)],
        [name, body],
      ]),
      describeMap(map),
    );
  const text = (value: string) => new TextEncoder().encode(value);

  it("are let through as they are written here", async () => {
    await check("overlay.png", await encodeRgbPng(rgb, 4, 2));
    await check("overlay.jpg", await encodeRgbJpeg(rgb, 4, 2));
    await check("steps.png", await encodeRgbPng(rgb.subarray(0, 3), 1, 1));
    await check("segments.csv", text("id,area\n1,2\n"));
    await check("panoptic.json", text("{}"));
  });

  it.each([
    ["overlay.png", "of another size", async () => encodeRgbPng(rgb, 2, 4)],
    ["overlay.png", "that is none", async () => text("GIF89a")],
    ["overlay.jpg", "that is cut short", async () => (await encodeRgbJpeg(rgb, 4, 2)).subarray(0, 100)],
    ["panoptic.json", "that is not JSON", async () => text("{")],
    ["segments.geojson", "that is not UTF-8", async () => Uint8Array.of(0x22, 0xff, 0x22)],
    ["segments.csv", "that is not UTF-8", async () => Uint8Array.of(0xc3, 0x28)],
  ])("%s %s is refused", async (name, _, body) => {
    await expect(check(name, await body())).rejects.toMatchObject(refused);
  });
});
