import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CleanOptions, cleanObjects } from "../../layers/segments/clean-objects.js";
import type { ObjectLabels, SceneObject } from "../../layers/segments/objects.js";
import { NO_LABEL } from "../../layers/segments/segment-map.js";
import { drawn, type LabelImage, labelImages } from "./maps.js";

const stuff = (changes: Partial<SceneObject> = {}): SceneObject => ({
  categoryId: 1,
  isThing: false,
  score: 1,
  countable: false,
  ...changes,
});
const thing = (changes: Partial<SceneObject> = {}): SceneObject =>
  stuff({ isThing: true, countable: true, ...changes });

/** Cleans a drawing: upper case letters are things, lower case ones stuff; what comes out is drawn in the same letters. */
function clean(lines: readonly string[], options: Partial<CleanOptions>, dropped = ""): string[] {
  const { labels, width, height } = drawn(...lines);
  const letters = [...new Set(lines.join("").replaceAll(".", ""))];
  const objects = letters.map((letter) => {
    const isDropped = dropped.includes(letter) ? { dropped: true } : {};
    return letter === letter.toUpperCase() ? thing(isDropped) : stuff(isDropped);
  });
  const indices = labels.map((label) => (label === NO_LABEL ? label : letters.indexOf(String.fromCharCode(label))));
  cleanObjects({ labels: indices, objects }, { width, height }, { minArea: 0, overlapThreshold: 0, ...options });
  return Array.from({ length: height }, (_, y) =>
    [...indices.subarray(y * width, (y + 1) * width)].map((index) => letters[index] ?? ".").join(""),
  );
}

describe("cleanObjects, by hand", () => {
  it("gives pieces that are too small to the neighbour with the longest border", () => {
    expect(clean(["aaaabbb", "aaxxbbb", "aaaabbb"], { minArea: 3 })).toEqual(["aaaabbb", "aaaabbb", "aaaabbb"]);
  });

  it("gives them to none, where that is what surrounds them", () => {
    expect(clean(["......", ".Xaaa.", "......"], { minArea: 2 })).toEqual(["......", "..aaa.", "......"]);
  });

  it("keeps the pieces of a class together as one object", () => {
    expect(clean(["aabbaa", "aabbaa"], { minArea: 3 })).toEqual(["aabbaa", "aabbaa"]);
  });

  it("keeps the pieces of a thing, but not those below a tenth of its largest; of stuff it keeps both", () => {
    // The largest piece has 22 pixels: 3 are enough, 2 are not.
    const lines = ["AAAAAAAAAAAbbbAA", "AAAAAAAAAAAbbbAb", "bbbbbbbbbbbbbbbb", "bAAbbbbbbbbbbbbb"];

    expect(clean(lines, {})).toEqual([...lines.slice(0, 3), "bbbbbbbbbbbbbbbb"]);
    const asStuff = lines.map((line) => line.toLowerCase());
    expect(clean(asStuff, {})).toEqual(asStuff);
  });

  it("drops a thing that keeps too little of what it won, and stuff never", () => {
    // A has 4 + 2 + 2: it keeps half of it.
    const lines = ["AAbbAAb", "AAbbbbb", "bbbbAAb"];

    expect(clean(lines, { minArea: 3, overlapThreshold: 0.5 })).toEqual(["AAbbbbb", "AAbbbbb", "bbbbbbb"]);
    expect(clean(lines, { minArea: 3, overlapThreshold: 0.51 })).toEqual(["bbbbbbb", "bbbbbbb", "bbbbbbb"]);
    const asStuff = lines.map((line) => line.replaceAll("A", "a"));
    expect(clean(asStuff, { minArea: 3, overlapThreshold: 1 })[0]).toBe("aabbbbb");
  });

  it("gives all pieces of a dropped object to neighbours, and those of one that fills the picture to none", () => {
    expect(clean(["AAbb", "AAbb"], {}, "A")).toEqual(["bbbb", "bbbb"]);
    expect(clean(["AABB", "AABB"], {}, "AB")).toEqual(["....", "...."]);
  });

  it("closes small holes in a thing", () => {
    expect(clean(["AAAA", "AbAA", "AAAA"], { minArea: 2 })).toEqual(["AAAA", "AAAA", "AAAA"]);
  });

  it("leaves nothing small of small pieces that joined each other", () => {
    // b goes first and ties between a and c: a. Then a has nothing but its own group beside it, and is still too small.
    expect(clean(["aabcccc"], { minArea: 4 })).toEqual(["ccccccc"]);
  });

  it("keeps the only object of a picture that is smaller than the smallest area", () => {
    expect(clean(["aa"], { minArea: 100 })).toEqual(["aa"]);
  });
});

describe("cleanObjects", () => {
  const scenes = fc.record({
    image: labelImages(),
    minArea: fc.integer({ min: 0, max: 14 }),
    overlapThreshold: fc.constantFrom(0, 0.3, 0.8, 1),
    kinds: fc.array(fc.constantFrom("stuff", "thing", "dropped"), { minLength: 6, maxLength: 6 }),
  });

  it("leaves no piece that is too small, takes pieces away as wholes, and leaves all others as they are", () => {
    fc.assert(
      fc.property(scenes, ({ image, minArea, overlapThreshold, kinds }) => {
        const before = sceneOf(image, kinds);
        const after = { ...before, labels: before.labels.slice() };
        cleanObjects(after, image, { minArea, overlapThreshold });

        const pieces = piecesOf(before.labels, image);
        const goes = taken(pieces, before.objects, { minArea, overlapThreshold });
        for (const [i, piece] of pieces.entries()) {
          const labels = new Set(piece.pixels.map((pixel) => after.labels[pixel]));
          expect(labels.size).toBe(1);
          if (!goes[i]) expect(labels).toEqual(new Set([piece.label]));
        }
        for (const [i, label] of before.labels.entries())
          if (label === NO_LABEL) expect(after.labels[i]).toBe(NO_LABEL);
        for (const piece of piecesOf(after.labels, image)) {
          const fills = piece.pixels.length === after.labels.length;
          expect(piece.pixels.length >= minArea || fills).toBe(true);
          expect(before.objects[piece.label]?.dropped ?? false).toBe(false);
        }
      }),
      { numRuns: 500 },
    );
  });
});

function sceneOf(image: LabelImage, kinds: readonly string[]): ObjectLabels {
  const found = [...new Set(image.labels)].filter((label) => label !== NO_LABEL);
  const labels = image.labels.map((label) => (label === NO_LABEL ? NO_LABEL : found.indexOf(label)));
  const objects = found.map((_, i) =>
    kinds[i] === "stuff" ? stuff() : thing(kinds[i] === "dropped" ? { dropped: true } : {}),
  );
  return { labels, objects };
}

interface Piece {
  readonly label: number;
  readonly pixels: number[];
}

/** By flooding, pixel by pixel. */
function piecesOf(labels: Uint16Array, { width, height }: LabelImage): Piece[] {
  const seen = new Set<number>();
  const pieces: Piece[] = [];
  for (const [start, label] of labels.entries()) {
    if (label === NO_LABEL || seen.has(start)) continue;
    const pixels = [start];
    seen.add(start);
    for (const pixel of pixels) {
      const [x, y] = [pixel % width, Math.floor(pixel / width)];
      const around = [x > 0 ? -1 : 0, x < width - 1 ? 1 : 0, y > 0 ? -width : 0, y < height - 1 ? width : 0];
      for (const next of around.map((offset) => pixel + offset)) {
        if (labels[next] !== label || seen.has(next)) continue;
        seen.add(next);
        pixels.push(next);
      }
    }
    pieces.push({ label, pixels });
  }
  return pieces;
}

/** Which pieces go, as the documentation says it. */
function taken(pieces: readonly Piece[], objects: readonly SceneObject[], options: CleanOptions): boolean[] {
  const areasOf = (label: number): number[] =>
    pieces.filter((piece) => piece.label === label).map(({ pixels }) => pixels.length);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return pieces.map(({ label, pixels }) => {
    const { countable, dropped = false } = objects[label]!;
    const areas = areasOf(label);
    const smallest = countable ? Math.max(options.minArea, Math.max(...areas) / 10) : options.minArea;
    const kept = sum(areas.filter((area) => area >= smallest));
    return dropped || pixels.length < smallest || (countable && kept < options.overlapThreshold * sum(areas));
  });
}
