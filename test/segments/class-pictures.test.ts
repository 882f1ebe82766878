import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Category } from "../../layers/segments/categories.js";
import { cutout, cutoutName } from "../../layers/segments/cutout.js";
import { overlaySegments } from "../../layers/segments/overlay.js";
import { segmentColors } from "../../layers/segments/segment-colors.js";
import { segmentMapFromIds } from "../../layers/segments/segment-map.js";
import { segmentTable } from "../../layers/segments/table.js";
import { VOC_VOID, vocClasses, vocClassMask, vocLabelMap, vocObjectMask } from "../../layers/segments/voc.js";
import { type ClassedMap, classedMaps, someCategories } from "./classed-maps.js";

const category = (id: number, name: string, isthing = true): Category => ({ id, name, isthing, color: [9, 9, 9] });
const row = (id: number, categoryId: number) => {
  return { id, area: 1, bbox: [0, 0, 1, 1], centroid: [0, 0], color: [0, 0, 0], categoryId } as const;
};

describe("VOC's masks", () => {
  it("have the id of a class for its index, where that can be", () => {
    expect(vocClasses(someCategories).map(({ index }) => index)).toEqual([0, 2, 3, 15, 16]);
    expect(vocClasses([category(1, "nucleus")])).toEqual([
      { index: 0, name: "background" },
      { index: 1, name: "nucleus" },
    ]);
  });

  it("are one higher, where a class that is no background has id 0", () => {
    expect(vocClasses([category(0, "sky"), category(1, "building")])).toEqual([
      { index: 0, name: "background" },
      { index: 1, name: "sky" },
      { index: 2, name: "building" },
    ]);
  });

  it("have the class of each pixel's segment, and void or background where there is none", () => {
    const check = ({ map, rows, categories }: ClassedMap, task: string, none: number) => {
      const expected = map.ids.map((id) => (id === 0 ? none : rows[id - 1]!.categoryId!));
      expect(vocClassMask(map, rows, categories, task).join()).toBe(expected.join());
    };
    fc.assert(
      fc.property(classedMaps(), (given) => {
        check(given, "semantic", VOC_VOID);
        check(given, "panoptic", VOC_VOID);
        check(given, "instance", 0);
      }),
    );
  });

  it("number the things, and none but these", () => {
    fc.assert(
      fc.property(classedMaps(), ({ map, rows, categories }) => {
        const things = rows.filter(({ isThing }) => isThing).map(({ id }) => id);
        const expected = map.ids.map((id) => (id === 0 ? VOC_VOID : things.indexOf(id) + 1));
        expect(vocObjectMask(map, rows, categories, "panoptic").join()).toBe(expected.join());
      }),
    );
  });

  it("refuse superpixels, a 255th class and a 255th object", () => {
    const map = segmentMapFromIds(
      Uint16Array.from({ length: 255 }, (_, i) => i + 1),
      255,
      1,
    );
    const rows = Array.from({ length: 255 }, (_, i) => row(i + 1, 1));
    const fewer = segmentMapFromIds(map.ids.slice(0, 254), 254, 1);
    expect(() => vocClasses([])).toThrow(expect.objectContaining({ code: "FORMAT_UNSUITABLE" }));
    expect(() => vocClasses([category(255, "last")])).toThrow(expect.objectContaining({ code: "FORMAT_LIMIT" }));
    expect(vocClasses([category(254, "last")]).at(-1)).toEqual({ index: 254, name: "last" });
    expect(() => vocObjectMask(map, rows, [category(1, "nucleus")], "instance")).toThrow("here are 255");
    expect(vocObjectMask(fewer, rows.slice(0, 254), [category(1, "nucleus")], "instance").at(-1)).toBe(254);
  });

  it("have a label map with VOC's colours, a line for each class", () => {
    expect(vocLabelMap([category(15, "person"), category(1, "a:b c")])).toBe(
      "# label:color_rgb:parts:actions\nbackground:0,0,0::\na_b_c:128,0,0::\nperson:192,128,128::\nignored:224,224,192::\n",
    );
  });
});

describe("cutout", () => {
  it("has the image's pixels inside the segment, and nothing of it outside", () => {
    fc.assert(
      fc.property(classedMaps(), ({ map, rgb, rows }) => {
        for (const one of rows) {
          const { width, height, rgba } = cutout(map, one, rgb);
          const [left, top, wide, high] = one.bbox;
          expect([width, height, rgba.length]).toEqual([wide, high, 4 * wide * high]);
          for (let y = 0; y < high; y++) {
            for (let x = 0; x < wide; x++) {
              const i = (top + y) * map.width + left + x;
              const pixel = [...rgba.subarray(4 * (y * wide + x), 4 * (y * wide + x) + 4)];
              expect(pixel).toEqual(map.ids[i] === one.id ? [...rgb.subarray(3 * i, 3 * i + 3), 255] : [0, 0, 0, 0]);
            }
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it("refuses pixels of another frame", () => {
    const map = segmentMapFromIds(Uint16Array.of(1, 1), 2, 1);
    const [only] = segmentTable(map, new Uint8Array(6));
    expect(() => cutout(map, only!, new Uint8Array(9))).toThrow("Expected 6 RGB bytes");
  });

  it.each([
    [3, undefined, "0003.png"],
    [12, "traffic light", "0012-traffic_light.png"],
    [65_535, "../../etc/passwd", "65535-_etc_passwd.png"],
    [1, "人", "0001-_.png"],
    [1, "", "0001-_.png"],
    [1, "CON", "0001-CON.png"],
    [1, "x".repeat(500), `0001-${"x".repeat(60)}.png`],
  ])("of segment %s, class %j, is called %s", (id, name, file) => {
    expect(cutoutName(id, name)).toBe(file);
  });
});

describe("overlaySegments", () => {
  it("mixes each segment's colour in, draws its outline in full, and leaves pixels of none and the image alone", () => {
    // One row: three pixels of segment 1, one of none, two of segment 2.
    const map = segmentMapFromIds(Uint16Array.of(1, 1, 1, 0, 2, 2), 6, 1);
    const rgb = new Uint8Array(18).fill(100);
    const colors = [
      [0, 0, 0],
      [200, 0, 50],
      [0, 255, 0],
    ] as const;

    const picture = overlaySegments(map, rgb, colors, { opacity: 0.5, thickness: 1 });

    const mixed = [150, 50, 75];
    expect([...picture]).toEqual([mixed, mixed, [200, 0, 50], [0, 255, 0], [50, 178, 50], [50, 178, 50]].flat());
    expect(rgb.every((value) => value === 100)).toBe(true);
  });

  it("leaves a segment without a colour alone, and draws the border with it in the other's", () => {
    const map = segmentMapFromIds(Uint16Array.of(1, 1, 2, 2, 1, 1), 6, 1);
    const split = { ...map, segments: 2 };
    const rgb = new Uint8Array(18).fill(100);

    const picture = overlaySegments(split, rgb, [undefined, undefined, [0, 200, 0]], { opacity: 0.5, thickness: 1 });

    const same = [100, 100, 100];
    const line = [0, 200, 0];
    expect([...picture]).toEqual([same, line, [50, 150, 50], line, same, same].flat());
  });

  it("is the image at opacity 0 and the colours at 1, outlines apart", () => {
    fc.assert(
      fc.property(classedMaps(), ({ map, rgb, rows, categories }) => {
        const colors = segmentColors(rows, categories);
        const full = overlaySegments(map, rgb, colors, { opacity: 1, thickness: 1 });
        const none = overlaySegments(map, rgb, colors, { opacity: 0, thickness: 1 });
        map.ids.forEach((id, i) => {
          const pixel = [...full.subarray(3 * i, 3 * i + 3)];
          const color = colors[id];
          if (color !== undefined) expect(pixel).toEqual([...color]);
          const left = [...none.subarray(3 * i, 3 * i + 3)];
          const own = [...rgb.subarray(3 * i, 3 * i + 3)];
          const outlined = colors.map((color) => color?.join());
          expect(left.join() === own.join() || outlined.includes(left.join())).toBe(true);
        });
      }),
    );
  });
});

describe("segmentColors", () => {
  it("gives stuff, and the first of each kind of thing, the colour of the class", () => {
    fc.assert(
      fc.property(classedMaps(), ({ rows, categories }) => {
        const colors = segmentColors(rows, categories);
        const seen = new Set<number>();
        for (const { id, categoryId, isThing } of rows) {
          const { color: own, name } = categories.find((one) => one.id === categoryId)!;
          if (name === "background") {
            expect(colors[id]).toBeUndefined();
            continue;
          }
          if (!isThing || !seen.has(categoryId!)) expect(colors[id]).toEqual(own);
          seen.add(categoryId!);
          for (const value of colors[id]!) expect(Number.isInteger(value) && value >= 0 && value <= 255).toBe(true);
        }
      }),
    );
  });

  it.each([
    ["one class", [category(1, "nucleus")]],
    ["several", [category(1, "cat"), category(2, "dog")]],
    ["one of grey", [{ ...category(1, "nucleus"), color: [128, 128, 128] as const }]],
  ])("tells the objects of %s apart: neighbours in the order never share a colour", (_, categories) => {
    const colors = segmentColors(
      Array.from({ length: 60 }, (_, i) => row(i + 1, 1)),
      categories,
    ).slice(1);
    for (let i = 1; i < colors.length; i++) {
      const difference = colors[i]!.reduce((sum, value, c) => sum + Math.abs(value - colors[i - 1]![c]!), 0);
      expect(difference).toBeGreaterThan(10);
    }
    expect(new Set(colors.map(String)).size).toBeGreaterThan(30);
  });
});
