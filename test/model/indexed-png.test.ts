import { describe, expect, test } from "vitest";
import { decodeIds, encodePalette } from "../../layers/model/encode.js";
import { indexedPng, unfilteredRows } from "../../layers/model/indexed-png.js";
import { sharp } from "../../layers/model/libvips.js";
import { paletteIndices, vocColors } from "../../layers/segments/palette.js";
import { readFixture } from "../segments/formats-fixtures.js";
import { sameBytes, seeded } from "./pictures.js";

interface PngCase {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly indices: number[];
  readonly rows: string;
  readonly deflated: string;
  readonly png: string;
}
const { cases } = readFixture<{ cases: PngCase[] }>("palette.json");

test.each(cases)("chunks are, to the byte, those of a PNG that Pillow reads: $name", ({ width, height, ...one }) => {
  const rows = unfilteredRows(Uint8Array.from(one.indices), width, height);
  const png = indexedPng(width, height, vocColors(), Buffer.from(one.deflated, "hex"));

  expect(Buffer.from(rows).toString("hex")).toBe(one.rows);
  expect(Buffer.from(png).toString("hex")).toBe(one.png);
});

describe("palette.png", () => {
  test.each([
    [1, 1, 1],
    [1, 700, 3],
    [700, 1, 3],
    [90, 60, 255],
    [90, 60, 900],
  ])("%i x %i, %i segments: every pixel has its segment's colour", async (width, height, segments) => {
    const random = seeded(segments);
    const ids = Uint16Array.from({ length: width * height }, (_, i) =>
      i <= segments ? i : Math.floor(random() * (segments + 1)),
    );
    const map = { width, height, segments, ids };

    const png = await encodePalette(map);

    // PNG header: bit depth at byte 24, colour type (3 = indexed) at byte 25.
    expect([png[24], png[25]]).toEqual([8, 3]);
    expect(await sharp(png).metadata()).toMatchObject({ format: "png", width, height, isPalette: true });
    const colors = vocColors();
    const expected = [...paletteIndices(map)].flatMap((index) => [...colors.subarray(3 * index, 3 * index + 3)]);
    expect(sameBytes(await sharp(png).raw().toBuffer(), Uint8Array.from(expected))).toBe(true);
    expect(sameBytes(await encodePalette(map), png)).toBe(true);
  });

  test("is not taken for segments.png", async () => {
    const png = await encodePalette({ width: 2, height: 1, segments: 2, ids: Uint16Array.of(1, 2) });

    await expect(decodeIds(png)).rejects.toMatchObject({ code: "SEGMENT_MAP_INVALID" });
  });
});
