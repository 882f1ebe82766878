import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { paletteIndices, vocColors } from "../../layers/segments/palette.js";
import { readFixture } from "./formats-fixtures.js";
import { segmentMaps } from "./maps.js";

describe("vocColors", () => {
  it("are those of PASCAL VOC's development kit", () => {
    const { colors } = readFixture<{ colors: number[][] }>("palette.json");

    expect([...vocColors()]).toEqual(colors.flat());
    expect(colors.slice(0, 4)).toEqual([
      [0, 0, 0],
      [128, 0, 0],
      [0, 128, 0],
      [128, 128, 0],
    ]);
  });

  it("are all different", () => {
    const colors = vocColors();

    expect(new Set(Array.from({ length: 256 }, (_, i) => colors.subarray(3 * i, 3 * i + 3).join())).size).toBe(256);
  });
});

describe("paletteIndices", () => {
  it("are the ids up to 255 segments", () => {
    fc.assert(
      fc.property(segmentMaps(), (map) => {
        expect(paletteIndices(map).join()).toBe(map.ids.join());
      }),
    );
  });

  it("begin again at 1 after 255, and keep 0 for no segment", () => {
    const ids = Uint16Array.from({ length: 600 }, (_, i) => i);

    const indices = paletteIndices({ width: 600, height: 1, segments: 599, ids });

    expect([0, 1, 254, 255, 256, 510, 511, 599].map((id) => indices[id])).toEqual([0, 1, 254, 255, 1, 255, 1, 89]);
  });
});
