import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planMaskTiles } from "../../layers/model/mask-tiles.js";
import { numberObjects, type SceneObject } from "../../layers/segments/objects.js";
import { NO_LABEL, segmentMapFromLabels } from "../../layers/segments/segment-map.js";
import type { ObjectTile } from "../../layers/segments/sightings.js";
import type { Rectangle } from "../../layers/segments/stitch.js";
import { addTile, createObjectCanvas, finishObjects } from "../../layers/segments/tile-objects.js";
import type { Size } from "../../layers/segments/upscale.js";
import { asText, drawn, type LabelImage, labelImages } from "./maps.js";

const cell = (score = 0.5, categoryId = 2): SceneObject => ({ categoryId, isThing: true, score, countable: true });
const grass: SceneObject = { categoryId: 1, isThing: false, score: 0.9, countable: false };

/** Four tiles of 10 x 10 pixels that overlap by 4, on a picture of 16 x 16: the seams lie at 8. */
const four = planMaskTiles({ width: 16, height: 16 }, { side: 10, overlap: 4, align: 1 });
/** The upper two of them. */
const two = planMaskTiles({ width: 16, height: 10 }, { side: 10, overlap: 4, align: 1 });

/** A tile's own view of a drawing of the whole picture; upper case letters are cells, others grass. */
function seen(lines: readonly string[], area: Rectangle, core: Rectangle, objectOf = objectOfLetter): ObjectTile {
  const { x, y, width, height } = area;
  const part = drawn(...lines.slice(y, y + height).map((line) => line.slice(x, x + width)));
  const letters = [...new Set(part.labels)].filter((label) => label !== NO_LABEL);
  const labels = part.labels.map((label) => (label === NO_LABEL ? label : letters.indexOf(label)));
  return { area, core, labels, objects: letters.map((letter) => objectOf(String.fromCharCode(letter))) };
}

function objectOfLetter(letter: string): SceneObject {
  return letter === letter.toUpperCase() ? cell() : grass;
}

/** Puts tiles together and draws the result: one digit for each object in raster order. */
function stitched(size: Size, tiles: readonly ObjectTile[]) {
  const canvas = createObjectCanvas(size.width, size.height);
  for (const tile of tiles) addTile(canvas, tile);
  const scene = finishObjects(canvas);
  const { map, classes } = numberObjects(scene, size, () => false);
  return { text: asText(map), classes, objects: scene.objects };
}

/** 16 x `height`, grass with rectangles in it. */
function picture(height: number, ...rectangles: readonly (readonly [string, number, number, number, number])[]) {
  const rows = Array.from({ length: height }, () => "g".repeat(16).split(""));
  for (const [letter, left, top, width, tall] of rectangles) {
    for (let y = top; y < top + tall; y++) for (let x = left; x < left + width; x++) rows[y]![x] = letter;
  }
  return rows.map((row) => row.join(""));
}

describe("objects on seams", () => {
  it("of two tiles are one object, and so is the grass around them", () => {
    const lines = picture(10, ["A", 5, 3, 7, 4]);

    const { text, classes } = stitched(
      { width: 16, height: 10 },
      two.map(({ area, core }) => seen(lines, area, core)),
    );

    expect(text).toEqual(lines.map((line) => line.replaceAll("g", "1").replaceAll("A", "2")));
    expect(classes.map(({ categoryId }) => categoryId)).toEqual([1, 2]);
  });

  it("of four tiles are one object", () => {
    const lines = picture(16, ["A", 5, 5, 6, 6]);

    const { text } = stitched(
      { width: 16, height: 16 },
      four.map(({ area, core }) => seen(lines, area, core)),
    );

    expect(four).toHaveLength(4);
    expect(text).toEqual(lines.map((line) => line.replaceAll("g", "1").replaceAll("A", "2")));
  });

  it("of tiles in a row are one, however long", () => {
    const [width, height] = [64, 8];
    const lines = Array.from({ length: height }, (_, y) => (y > 2 && y < 6 ? "A" : "g").repeat(width));
    const tiles = planMaskTiles({ width, height }, { side: 10, overlap: 4, align: 1 });

    const { classes } = stitched(
      { width, height },
      tiles.map(({ area, core }) => seen(lines, area, core)),
    );

    expect(tiles.length).toBeGreaterThan(8);
    expect(classes).toHaveLength(2);
  });

  it("that touch stay two, side by side, one above the other, and where four tiles meet", () => {
    const lines = picture(16, ["A", 4, 4, 4, 8], ["B", 8, 4, 4, 4], ["C", 8, 8, 4, 4]);

    const { text, classes } = stitched(
      { width: 16, height: 16 },
      four.map(({ area, core }) => seen(lines, area, core)),
    );

    expect(classes).toHaveLength(4);
    expect(text).toEqual(
      lines.map((line) => line.replaceAll(/[gABC]/g, (letter) => String("gABC".indexOf(letter) + 1))),
    );
  });

  it("are one when two tiles agree on more than half, and two when they do not", () => {
    // The band that both tiles see is x = 6 .. 9. There the left tile has 4 columns of the object, the right one fewer.
    const left = picture(10, ["A", 2, 3, 8, 4]);
    const agreeing = picture(10, ["B", 7, 3, 7, 4]);
    const differing = picture(10, ["B", 8, 3, 6, 4]);
    const together = (right: readonly string[]) =>
      stitched({ width: 16, height: 10 }, [
        seen(left, two[0]!.area, two[0]!.core),
        seen(right, two[1]!.area, two[1]!.core),
      ]);

    expect(together(agreeing).classes).toHaveLength(2);
    expect(together(differing).classes).toHaveLength(3);
  });

  it("are never one when a tile sees two of them, whatever another tile makes of it", () => {
    const parted = picture(10, ["A", 5, 2, 6, 4], ["B", 5, 6, 6, 3]);
    const joined = picture(10, ["C", 5, 2, 6, 7]);

    const { text, classes } = stitched({ width: 16, height: 10 }, [
      seen(parted, two[0]!.area, two[0]!.core),
      seen(joined, two[1]!.area, two[1]!.core),
    ]);

    expect(classes).toHaveLength(3);
    // C is A's other half: they have more in common than C and B.
    expect(text[3]).toBe("1111122222211111");
    expect(text[7]).toBe("1111133322211111");
  });

  it("are not joined by a third tile that sees them as one", () => {
    // Upper left: A and B. Upper right: A only. Lower left: B only. Lower right: both as one.
    const parted = picture(16, ["A", 6, 2, 8, 6], ["B", 2, 8, 6, 6]);
    const joined = parted.map((line) => line.replaceAll("B", "A"));

    const { classes, text } = stitched(
      { width: 16, height: 16 },
      four.map(({ area, core }, i) => seen(i === 3 ? joined : parted, area, core)),
    );

    expect(classes).toHaveLength(3);
    expect(text[3]![7]).not.toBe(text[12]![4]);
  });

  it("have the class with the most score times pixels, and its part of the score", () => {
    const lines = picture(10, ["A", 6, 3, 4, 4]);
    const sure = seen(lines, two[0]!.area, two[0]!.core, (l) => (l === "A" ? cell(0.9, 2) : grass));
    const unsure = seen(lines, two[1]!.area, two[1]!.core, (l) => (l === "A" ? cell(0.5, 7) : grass));

    const { classes } = stitched({ width: 16, height: 10 }, [sure, unsure]);

    // Half of its pixels are the first tile's.
    expect(classes[1]).toEqual({ categoryId: 2, isThing: true, score: 0.45 });
  });
});

describe("an object that only one of the tiles on its seam sees", () => {
  const onlyLeft = (...rectangle: [string, number, number, number, number]) =>
    stitched({ width: 16, height: 10 }, [
      seen(picture(10, rectangle), two[0]!.area, two[0]!.core),
      seen(picture(10), two[1]!.area, two[1]!.core),
    ]);

  it("is left out when most of it lies beyond the seam", () => {
    const { objects } = onlyLeft("A", 7, 3, 3, 4);

    expect(objects.filter(({ dropped }) => dropped)).toHaveLength(1);
  });

  it("is whole when most of it lies on its tile's side", () => {
    const { objects, text, classes } = onlyLeft("A", 3, 3, 6, 4);

    expect(objects.some(({ dropped }) => dropped)).toBe(false);
    expect(text[4]).toBe("1112222221111111");
    expect(classes[1]?.score).toBe(0.5);
  });

  it("is left out when that tile cuts it off, so that it cannot be whole", () => {
    const { objects } = onlyLeft("A", 1, 3, 9, 4);

    expect(objects.filter(({ dropped }) => dropped)).toHaveLength(1);
  });

  it("is left out when two tiles agree on what both cut off", () => {
    // The right tiles see a half that begins at their left side; the left ones nothing.
    const lines = picture(16, ["A", 6, 5, 6, 6]);

    const { objects } = stitched(
      { width: 16, height: 16 },
      four.map(({ area, core }, i) => seen(i % 2 === 1 ? lines : picture(16), area, core)),
    );

    expect(objects.filter(({ dropped }) => dropped)).toHaveLength(1);
  });

  it("is left out when the tile that agrees does not see where it is cut off", () => {
    // The upper left tile cuts a bar off at its right side. The lower right one sees the bar's foot, the upper right one nothing.
    const lines = picture(16, ["A", 4, 1, 10, 5], ["A", 7, 6, 2, 3]);

    const { objects } = stitched(
      { width: 16, height: 16 },
      four.map(({ area, core }, i) => seen(i === 0 || i === 3 ? lines : picture(16), area, core)),
    );

    expect(objects.filter(({ dropped }) => dropped)).toHaveLength(1);
  });

  it("is whole when one tile sees all of it, though another cuts it off", () => {
    // All of it lies in the upper left tile, and 6 .. 8 in the upper right one, which agrees; the lower ones see nothing.
    const lines = picture(16, ["A", 4, 3, 5, 6]);

    const { classes, text } = stitched(
      { width: 16, height: 16 },
      four.map(({ area, core }, i) => seen(i < 2 ? lines : picture(16), area, core)),
    );

    expect(classes).toHaveLength(2);
    expect(text).toEqual(lines.map((line) => line.replaceAll("g", "1").replaceAll("A", "2")));
  });

  it("takes no pixels of other objects there", () => {
    const left = picture(10, ["A", 3, 3, 6, 4]);
    const right = picture(10, ["B", 8, 4, 6, 4]);

    const { text } = stitched({ width: 16, height: 10 }, [
      seen(left, two[0]!.area, two[0]!.core),
      seen(right, two[1]!.area, two[1]!.core),
    ]);

    expect(text[3]).toBe("1112222221111111");
    expect(text[4]).toBe("1112222233333311");
  });

  it("goes on from two tiles that agree into one that does not see it", () => {
    // The upper tiles agree on what reaches into the lower ones' cores, which begin at 8.
    const lines = picture(16, ["A", 5, 4, 6, 5]);

    const { text, classes } = stitched(
      { width: 16, height: 16 },
      four.map(({ area, core }, i) => seen(i < 2 ? lines : picture(16), area, core)),
    );

    expect(classes).toHaveLength(2);
    expect(text).toEqual(lines.map((line) => line.replaceAll("g", "1").replaceAll("A", "2")));
  });
});

describe("putting tiles together", () => {
  const layouts = fc.record({
    image: labelImages(),
    side: fc.integer({ min: 5, max: 12 }),
    overlap: fc.integer({ min: 2, max: 4 }),
    things: fc.array(fc.boolean(), { minLength: 7, maxLength: 7 }),
    shift: fc.integer({ min: 0, max: 6 }),
  });

  it("gives the objects of the whole picture, for connected objects that every tile sees alike", () => {
    fc.assert(
      fc.property(layouts, ({ image, side, overlap, things, shift }) => {
        const { width, height } = image;
        const whole = wholeScene(image, things);
        const tiles = planMaskTiles(image, { side, overlap, align: 1 }).map(({ area, core }) =>
          cut(whole, area, core, shift),
        );

        const canvas = createObjectCanvas(width, height);
        for (const tile of tiles) addTile(canvas, tile);
        const together = numberObjects(finishObjects(canvas), image, () => false);

        const expected = numberObjects(whole, image, () => false);
        expect(asText(together.map)).toEqual(asText(expected.map));
        expect(together.classes).toEqual(expected.classes);
      }),
      { numRuns: 300 },
    );
  });

  it("refuses more objects than there are labels, and takes as many as there are", () => {
    const [width, height] = [256, 256];
    const half = { width, height: 128 };
    const labels = Uint16Array.from({ length: width * 128 }, (_, i) => i);
    const objects = Array.from(labels, () => cell());
    const tile = (y: number, changes: Partial<ObjectTile> = {}): ObjectTile => {
      const area = { x: 0, y, ...half };
      return { area, core: area, labels, objects, ...changes };
    };
    const full = createObjectCanvas(width, height);
    addTile(full, tile(0));
    addTile(full, tile(128, { labels: labels.map((label) => (label === 0 ? NO_LABEL : label)) }));
    const over = createObjectCanvas(width, height);
    addTile(over, tile(0));
    addTile(over, tile(128));

    expect(finishObjects(full).objects).toHaveLength(65_535);
    expect(() => finishObjects(over)).toThrow(expect.objectContaining({ code: "SEGMENT_LIMIT" }));
  });

  it("refuses a tile that leaves the picture, and a core that leaves its tile", () => {
    const area = { x: 4, y: 0, width: 2, height: 1 };
    const tile = { area, core: area, labels: new Uint16Array(2), objects: [grass] };

    expect(() => addTile(createObjectCanvas(5, 1), tile)).toThrow(
      expect.objectContaining({ code: "SEGMENT_MAP_INVALID" }),
    );
    const core = { ...area, x: 3 };
    expect(() => addTile(createObjectCanvas(9, 1), { ...tile, core })).toThrow("leave");
  });
});

/** Every connected piece of a thing an object, all of a class of stuff one. */
function wholeScene(image: LabelImage, things: readonly boolean[]) {
  const { ids, segments } = segmentMapFromLabels(image.labels, image.width, image.height, { minArea: 0 });
  const objects: SceneObject[] = [];
  const labels = new Uint16Array(ids.length).fill(NO_LABEL);
  const indexOf = new Map<string, number>();
  for (const [i, id] of ids.entries()) {
    if (id === 0 || segments === 0) continue;
    const category = image.labels[i]! % 7;
    const key = things[category] ? `thing ${id}` : `stuff ${category}`;
    if (!indexOf.has(key)) {
      indexOf.set(key, objects.length);
      objects.push(things[category] ? cell(0.25, category) : { ...grass, categoryId: category });
    }
    labels[i] = indexOf.get(key)!;
  }
  return { labels, objects, width: image.width };
}

/** A tile's part of it, with indices of its own. */
function cut(whole: ReturnType<typeof wholeScene>, area: Rectangle, core: Rectangle, shift: number): ObjectTile {
  const at = (i: number) => (area.y + Math.floor(i / area.width)) * whole.width + area.x + (i % area.width);
  const global = Uint16Array.from({ length: area.width * area.height }, (_, i) => whole.labels[at(i)]!);
  const found = [...new Set(global)].filter((label) => label !== NO_LABEL);
  const turned = [
    ...found.slice(shift % Math.max(found.length, 1)),
    ...found.slice(0, shift % Math.max(found.length, 1)),
  ];
  const labels = global.map((label) => (label === NO_LABEL ? label : turned.indexOf(label)));
  return { area, core, labels, objects: turned.map((label) => whole.objects[label]!) };
}
