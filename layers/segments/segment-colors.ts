import { type Category, classedSegments, isBackground } from "./categories.js";
import type { Rgb } from "./overlay.js";
import type { SegmentRow } from "./table.js";

/** Steps of this part of the circle never come close to an earlier one for long. */
const GOLDEN = 0.618_033_988_749_895;
/** The part of the circle of hues in which objects of one class differ, where several classes of things are to be told apart. */
const FAMILY = 0.14;

/**
 * The colour each segment is drawn in, entry `id` of the list; none for the background, which is what nothing lies on. Stuff, and the first object of a class, has the
 * class's own; further objects of it differ in hue: a little, so that their class can be seen, or, where there is one class of
 * things only, as much as can be.
 *
 * @throws ClustsegError SEGMENT_MAP_INVALID when a segment's class is none of the categories
 */
export function segmentColors(rows: readonly SegmentRow[], categories: readonly Category[]): (Rgb | undefined)[] {
  const things = categories.filter(({ isthing }) => isthing).length;
  const spread = things === 1 ? 1 : FAMILY;
  const seen = new Map<number, number>();
  const colors: (Rgb | undefined)[] = [undefined];
  for (const { row, category } of classedSegments(rows, categories)) {
    if (isBackground(category)) {
      colors[row.id] = undefined;
      continue;
    }
    const before = seen.get(category.id) ?? 0;
    seen.set(category.id, before + 1);
    colors[row.id] = category.isthing && before > 0 ? variant(category.color, before, spread) : category.color;
  }
  return colors;
}

/** `color` with another hue and, in turn, somewhat lighter or darker: grey and black have no hue that could change. */
function variant(color: Rgb, step: number, spread: number): Rgb {
  const [hue, saturation, lightness] = toHsl(color);
  const turn = (step * GOLDEN) % 1;
  const turned = spread === 1 ? hue + turn : hue + (turn - 0.5) * spread;
  const lighter = [0.12, -0.1, 0.06, -0.05][step % 4]!;
  return fromHsl((turned + 1) % 1, Math.max(saturation, 0.35), Math.min(0.8, Math.max(0.25, lightness + lighter)));
}

/** Hue, saturation and lightness, each 0..1. */
function toHsl([red, green, blue]: Rgb): [hue: number, saturation: number, lightness: number] {
  const most = Math.max(red, green, blue) / 255;
  const least = Math.min(red, green, blue) / 255;
  const range = most - least;
  const lightness = (most + least) / 2;
  if (range === 0) return [0, 0, lightness];
  const saturation = range / (1 - Math.abs(2 * lightness - 1));
  const [r, g, b] = [red / 255, green / 255, blue / 255];
  const sixths = most === r ? (g - b) / range : most === g ? 2 + (b - r) / range : 4 + (r - g) / range;
  return [(sixths / 6 + 1) % 1, saturation, lightness];
}

function fromHsl(hue: number, saturation: number, lightness: number): Rgb {
  const reach = saturation * Math.min(lightness, 1 - lightness);
  const channel = (n: number): number => {
    const k = (n + hue * 12) % 12;
    return Math.round(255 * (lightness - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}
