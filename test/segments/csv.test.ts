import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { segmentsFromCsv, segmentsToCsv } from "../../layers/segments/csv.js";
import { segmentTable } from "../../layers/segments/table.js";
import { segmentMapsWithPixels } from "./maps.js";

const row = { id: 1, area: 6, bbox: [0, 1, 3, 2], centroid: [1, 1.5], color: [255, 0, 7] } as const;
const HEADER = "id,area,x,y,width,height,centroid_x,centroid_y,red,green,blue";

describe("segmentsToCsv", () => {
  it("writes a header and one line for each segment", () => {
    expect(segmentsToCsv([row])).toBe(`${HEADER}\n1,6,0,1,3,2,1,1.5,255,0,7\n`);
  });

  it("quotes the name of the image", () => {
    const text = segmentsToCsv([row], { image: 'a, "b"\n.jpg' });
    expect(text).toBe(`image,${HEADER}\n"a, ""b""\n.jpg",1,6,0,1,3,2,1,1.5,255,0,7\n`);
  });

  it("writes lines without a header, to be appended to others", () => {
    expect(segmentsToCsv([row], { header: false })).toBe("1,6,0,1,3,2,1,1.5,255,0,7\n");
    expect(segmentsToCsv([], { header: false })).toBe("");
  });
});

describe("segmentsFromCsv", () => {
  it("reads back what was written, for any table and any name", () => {
    const names = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom('"', ",", "\n", "\r", "=", "ü") }),
    );
    fc.assert(
      fc.property(segmentMapsWithPixels(), fc.option(names, { nil: undefined }), ({ map, rgb }, image) => {
        const rows = segmentTable(map, rgb);
        const read = segmentsFromCsv(segmentsToCsv(rows, image === undefined ? {} : { image }));
        expect(read).toEqual(image === undefined ? rows : rows.map((each) => ({ image, ...each })));
      }),
    );
  });

  it("reads CRLF lines and a missing last newline", () => {
    expect(segmentsFromCsv(`${HEADER}\r\n1,6,0,1,3,2,1,1.5,255,0,7`)).toEqual([row]);
  });

  it.each([
    ["nothing at all", "", 1],
    ["another header", "id,area\n1,2\n", 1],
    ["a short row", `${HEADER}\n1,6,0,1,3,2,1,1.5,255,0\n`, 2],
    ["a long row", `${HEADER}\n1,6,0,1,3,2,1,1.5,255,0,7,\n`, 2],
    ["an empty field", `${HEADER}\n1,6,0,1,3,2,1,1.5,255,0,\n`, 2],
    ["text for a number", `${HEADER}\n1,6,0,1,3,2,1,1.5,255,0,red\n`, 2],
    ["an open quote", `image,${HEADER}\n"a.jpg,1,6,0,1,3,2,1,1.5,255,0,7\n`, 2],
    ["an empty line", `image,${HEADER}\n"a\n.jpg",1,6,0,1,3,2,1,1.5,255,0,7\n\n`, 4],
  ])("refuses %s, and says which line", (_name, text, line) => {
    expect(() => segmentsFromCsv(text)).toThrow(
      expect.objectContaining({ code: "SEGMENT_CSV_INVALID", message: expect.stringMatching(`^Line ${line} `) }),
    );
  });
});
