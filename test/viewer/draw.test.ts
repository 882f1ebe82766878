import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findAnchors } from "../../layers/viewer/page/draw/anchors.js";
import { distinctColour, over, paintOf, shadeOf, toOklch, toRgb, word } from "../../layers/viewer/page/draw/colours.js";
import type { Labels } from "../../layers/viewer/page/draw/labels.js";
import { makeLook } from "../../layers/viewer/page/draw/look.js";
import { markLook, paint } from "../../layers/viewer/page/draw/paint.js";
import { movedBy, placementOf, type View, wholeView, zoomedAt } from "../../layers/viewer/page/draw/view.js";

const red = word([255, 0, 0], 1);
const blue = word([0, 0, 255], 1);
/** Left half 1, right half 2, and a hole of no segment in the upper left corner. */
const halves: Labels = { width: 4, height: 2, ids: Uint16Array.of(0, 1, 2, 2, 1, 1, 2, 2) };

function painted(
  labels: Labels,
  pane: { width: number; height: number },
  options: Partial<Parameters<typeof makeLook>[0]>,
) {
  const colours = Uint32Array.of(0, red, blue);
  const look = makeLook({ largest: 2, colours, opacity: 1, outlines: 0, line: 1, ...options });
  const target = new Uint32Array(pane.width * pane.height).fill(0x12345678);
  paint(target, pane, labels, { left: 0, top: 0, ...pane }, look);
  return target;
}

describe("painting", () => {
  it("gives every pixel of the pane the colour of the segment below it", () => {
    expect([...painted(halves, { width: 4, height: 2 }, {})]).toEqual([0, red, blue, blue, red, red, blue, blue]);
  });

  it("enlarges and reduces to the pixel", () => {
    const twice = painted(halves, { width: 8, height: 4 }, {});
    expect([...twice.subarray(0, 8)]).toEqual([0, 0, red, red, blue, blue, blue, blue]);

    const half = painted(halves, { width: 2, height: 1 }, {});
    expect([...half]).toEqual([red, blue]);
  });

  it("leaves out what is filtered, with its outlines", () => {
    const target = painted(halves, { width: 4, height: 2 }, { hidden: (id) => id === 2, outlines: 1 });

    expect([target[2], target[3], target[6], target[7]].map((value) => value! >>> 24)).not.toContain(255);
    expect(target[7]).toBe(0);
  });

  it("draws a light line before a border and a dark one behind it, and none at the picture's rim", () => {
    const ids = Uint16Array.from({ length: 8 * 4 }, (_, i) => (i % 8 < 4 ? 1 : 2));
    const row = painted({ width: 8, height: 4, ids }, { width: 8, height: 4 }, { outlines: 1 }).subarray(8, 16);

    expect([row[0], row[1], row[2]]).toEqual([red, red, red]);
    expect([row[5], row[6], row[7]]).toEqual([blue, blue, blue]);
    expect(row[3]! & 0xff00).toBeGreaterThan(0xdf00);
    expect(row[4]! & 0xff).toBeLessThan(0x20);
  });

  it("paints nothing outside of the picture, wherever it lies", () => {
    fc.assert(
      fc.property(
        fc.record({
          left: fc.double({ min: -60, max: 60, noNaN: true }),
          top: fc.double({ min: -60, max: 60, noNaN: true }),
          width: fc.double({ min: 0.5, max: 90, noNaN: true }),
          height: fc.double({ min: 0.5, max: 90, noNaN: true }),
        }),
        fc.integer({ min: 0, max: 3 }),
        (place, line) => {
          const pane = { width: 31, height: 23 };
          const target = new Uint32Array(31 * 23);
          const ids = Uint16Array.from({ length: 12 }, (_, i) => 1 + (i % 2));
          const colours = Uint32Array.of(0, red, blue);
          const look = makeLook({ largest: 2, colours, opacity: 1, outlines: line > 0 ? 1 : 0, line });
          paint(target, pane, { width: 4, height: 3, ids }, place, look);
          for (let y = 0, i = 0; y < 23; y++) {
            for (let x = 0; x < 31; x++, i++) {
              const inside =
                x + 0.5 >= place.left &&
                x + 0.5 < place.left + place.width &&
                y + 0.5 >= place.top &&
                y + 0.5 < place.top + place.height;
              expect(target[i]! >>> 24).toBe(inside ? 255 : 0);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("marks one segment and no other", () => {
    const ids = Uint16Array.from({ length: 9 * 9 }, (_, i) => (i % 9 >= 3 && i % 9 < 6 ? 7 : 1));
    const target = new Uint32Array(81);
    paint(
      target,
      { width: 9, height: 9 },
      { width: 9, height: 9, ids },
      { left: 0, top: 0, width: 9, height: 9 },
      markLook(7, red, blue, 1, 7),
    );

    expect([...target.subarray(36, 45)]).toEqual([0, 0, blue, blue, red, blue, blue, 0, 0]);
  });
});

const panes = fc.record({ width: fc.integer({ min: 50, max: 2000 }), height: fc.integer({ min: 50, max: 2000 }) });
const frames = fc.record({ width: fc.integer({ min: 1, max: 9000 }), height: fc.integer({ min: 1, max: 9000 }) });

describe("zooming", () => {
  it("keeps the place under the pointer where it is, once the picture is larger than the pane", () => {
    fc.assert(
      fc.property(
        panes,
        frames,
        fc.double({ min: 0.3, max: 0.7, noNaN: true }),
        fc.double({ min: 0.3, max: 0.7, noNaN: true }),
        (pane, frame, u, v) => {
          const at = { x: u * pane.width, y: v * pane.height };
          const near = zoomedAt(wholeView, 400, { x: pane.width / 2, y: pane.height / 2 }, pane, frame);
          const before = placementOf(near, pane, frame);
          if (before.width < 2 * pane.width || before.height < 2 * pane.height) return;
          const far = zoomedAt(near, 0.9, at, pane, frame);
          const after = placementOf(far, pane, frame);
          expect((at.x - after.left) / after.width).toBeCloseTo((at.x - before.left) / before.width, 6);
          expect((at.y - after.top) / after.height).toBeCloseTo((at.y - before.top) / before.height, 6);
        },
      ),
    );
  });

  it("never shows less than the pane can hold, nor loses the picture", () => {
    const steps = fc.array(
      fc.tuple(fc.double({ min: 0.2, max: 5, noNaN: true }), fc.integer({ min: -900, max: 900 })),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(panes, frames, steps, (pane, frame, moves) => {
        let view: View = wholeView;
        for (const [factor, by] of moves) {
          view = zoomedAt(view, factor, { x: Math.abs(by) % pane.width, y: 3 }, pane, frame);
          view = movedBy(view, by, -by, pane, frame);
        }
        const { left, top, width, height } = placementOf(view, pane, frame);
        const epsilon = 1e-6 * (width + height);
        for (const [start, size, room] of [
          [left, width, pane.width],
          [top, height, pane.height],
        ] as const) {
          if (size <= room) expect(start + size / 2).toBeCloseTo(room / 2, 4);
          else {
            expect(start).toBeLessThanOrEqual(epsilon);
            expect(start + size).toBeGreaterThanOrEqual(room - epsilon);
          }
        }
      }),
    );
  });

  it("shows the whole of the picture at first", () => {
    expect(placementOf(wholeView, { width: 100, height: 100 }, { width: 400, height: 200 })).toEqual({
      left: 0,
      top: 25,
      width: 100,
      height: 50,
    });
  });
});

describe("colours", () => {
  it("come back from OKLCH as they were", () => {
    fc.assert(
      fc.property(fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255)), (rgb) => {
        const back = toRgb(toOklch(rgb));
        for (const channel of [0, 1, 2] as const) expect(Math.abs(back[channel] - rgb[channel])).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("of segments beside each other can be told apart", () => {
    for (let n = 0; n < 60; n++) {
      for (const step of [1, 2, 3]) {
        const [a, b] = [toOklch(distinctColour(n)), toOklch(distinctColour(n + step))];
        const turn = ((a.h - b.h) * Math.PI) / 180;
        const apart = Math.hypot(
          a.l - b.l,
          Math.sqrt(Math.max(0, a.c ** 2 + b.c ** 2 - 2 * a.c * b.c * Math.cos(turn))),
        );
        expect(apart).toBeGreaterThan(0.07);
      }
    }
  });

  it("of the objects of a class stay near the class's own", () => {
    const car = [72, 92, 196] as const;
    const shades = Array.from({ length: 7 }, (_, n) => shadeOf(car, n));

    expect(shades[0]).toEqual(car);
    expect(new Set(shades.map(String)).size).toBe(7);
    for (const shade of shades) expect(Math.abs(toOklch(shade).h - toOklch(car).h)).toBeLessThan(45);
  });

  it("of classes are drawn as they are, if they are light; dark ones lighter, in their order; black not at all", () => {
    expect(paintOf([112, 168, 208])).toEqual([112, 168, 208]);
    expect(paintOf([0, 0, 0])).toBeNull();
    // VOC's cat, aeroplane and chair.
    const reds = ([64, 128, 192] as const).map((red) => toOklch([red, 0, 0]));
    const drawn = ([64, 128, 192] as const).map((red) => toOklch(paintOf([red, 0, 0])!));
    for (const [i, { l, h }] of drawn.entries()) {
      expect(l).toBeGreaterThan(Math.max(0.45, reds[i]!.l));
      expect(Math.abs(h - reds[i]!.h)).toBeLessThan(3);
      if (i > 0) expect(l).toBeGreaterThan(drawn[i - 1]!.l + 0.03);
    }
    const look = makeLook({ largest: 1, colours: Uint32Array.of(0, 0), opacity: 1, outlines: 0, line: 1 });
    expect([...look.fill]).toEqual([0, 0]);
    expect([...look.shown]).toEqual([0, 1]);
  });

  it("laid over each other weigh by their alpha", () => {
    expect(over(word([255, 255, 255], 1), red)).toBe(word([255, 255, 255], 1));
    expect(over(word([255, 255, 255], 0), red)).toBe(red);
    expect(over(word([0, 0, 0], 0.5), word([200, 100, 50], 1)) & 0xff).toBeCloseTo(100, -1);
  });
});

describe("the place for a word", () => {
  it("lies in its segment, also where the centroid does not", () => {
    // A ring around another segment.
    const [width, height] = [41, 41];
    const ids = Uint16Array.from({ length: width * height }, (_, i) => {
      const r = Math.hypot((i % width) - 20, Math.floor(i / width) - 20);
      return r < 9 ? 2 : r < 18 ? 1 : 0;
    });

    const { at, radius } = findAnchors({ width, height, ids }, 2);

    expect(ids[at[1]!]).toBe(1);
    expect(at[2]).toBe(20 * width + 20);
    expect(radius[1]).toBeGreaterThan(4);
    expect(radius[1]).toBeLessThan(6);
    expect(radius[2]).toBeGreaterThan(8);
  });

  it("is as deep inside as the brute force finds, within what the chamfer distance errs", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 9 * 7, maxLength: 9 * 7 }), (values) => {
        const labels = { width: 9, height: 7, ids: Uint16Array.from(values) };
        const { at, radius } = findAnchors(labels, 3);
        for (let id = 1; id <= 3; id++) {
          if (!values.includes(id)) continue;
          const depths = values.map((value, i) => (value === id ? depthOf(labels, i) : 0));
          expect(values[at[id]!]).toBe(id);
          expect(depths[at[id]!]!).toBeGreaterThanOrEqual(Math.max(...depths) * 0.9 - 0.5);
          expect(Math.abs(radius[id]! - depths[at[id]!]!)).toBeLessThan(0.5);
        }
      }),
    );
  });
});

/** Distance to the nearest pixel of another segment, or to the outside. */
function depthOf({ width, height, ids }: Labels, at: number): number {
  const [x, y] = [at % width, Math.floor(at / width)];
  let least = Math.min(x + 1, y + 1, width - x, height - y);
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] !== ids[at]) least = Math.min(least, Math.hypot((i % width) - x, Math.floor(i / width) - y));
  }
  return least;
}
