import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { meanColorPicture } from "../../layers/segments/mean-colour.js";
import { segmentTable } from "../../layers/segments/table.js";
import { segmentMapsWithPixels } from "./maps.js";

describe("meanColorPicture", () => {
  it("paints each segment in its mean colour and no segment in black", () => {
    fc.assert(
      fc.property(segmentMapsWithPixels(), ({ map, rgb }) => {
        const rows = segmentTable(map, rgb);
        const picture = meanColorPicture(map, rows);
        map.ids.forEach((id, i) => {
          expect([...picture.slice(i * 3, i * 3 + 3)]).toEqual(id === 0 ? [0, 0, 0] : rows[id - 1]?.color);
        });
      }),
    );
  });

  it("is a picture whose own mean colours are the same", () => {
    fc.assert(
      fc.property(segmentMapsWithPixels(), ({ map, rgb }) => {
        const rows = segmentTable(map, rgb);
        expect(segmentTable(map, meanColorPicture(map, rows))).toEqual(rows);
      }),
    );
  });

  it("refuses the table of another map", () => {
    const map = { width: 2, height: 1, segments: 2, ids: Uint16Array.from([1, 2]) };
    expect(() => meanColorPicture(map, [])).toThrow("Expected 2 segment rows but received 0");
  });
});
