import fc from "fast-check";
import type { Category } from "../../layers/segments/categories.js";
import type { SegmentMap } from "../../layers/segments/segment-map.js";
import { type SegmentRow, segmentTable } from "../../layers/segments/table.js";
import { scatteredMaps, segmentMaps } from "./maps.js";

/** Two things, two of stuff, and the background; ids with gaps, and names that want escaping. */
export const someCategories: readonly Category[] = [
  { id: 0, name: "background", isthing: false, color: [0, 0, 0] },
  { id: 2, name: "traffic light", isthing: true, color: [200, 30, 30] },
  { id: 3, name: 'sky & "air" <1>', isthing: false, color: [70, 130, 180] },
  { id: 15, name: "person", isthing: true, color: [192, 128, 128] },
  { id: 16, name: "grass", isthing: false, color: [107, 142, 35] },
];

export interface ClassedMap {
  readonly map: SegmentMap;
  readonly rgb: Uint8Array;
  readonly rows: readonly SegmentRow[];
  readonly categories: readonly Category[];
}

/** Any map, its pixels, and its table with a class and a score for each segment. */
export function classedMaps(categories: readonly Category[] = someCategories): fc.Arbitrary<ClassedMap> {
  return fc.oneof(segmentMaps(), scatteredMaps()).chain((map) =>
    fc
      .record({
        rgb: fc.uint8Array({ minLength: 3 * map.ids.length, maxLength: 3 * map.ids.length }),
        chosen: fc.array(fc.constantFrom(...categories), { minLength: map.segments, maxLength: map.segments }),
        scores: fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: map.segments, maxLength: map.segments }),
      })
      .map(({ rgb, chosen, scores }) => {
        const rows = segmentTable(map, rgb).map((row, i) => {
          const { id, isthing } = chosen[i]!;
          return { ...row, categoryId: id, isThing: isthing, score: scores[i]! / 10_000 };
        });
        return { map, rgb, rows, categories };
      }),
  );
}

/** A byte for each pixel of segment `id`, as text. */
export function pixelsOf({ ids }: SegmentMap, id: number): string {
  return ids.map((one) => (one === id ? 1 : 0)).join("");
}

/** The segments that have annotations: all but those of the background. */
export function objectsOf({ rows, categories }: ClassedMap): { row: SegmentRow; category: Category }[] {
  return rows
    .map((row) => ({ row, category: categories.find(({ id }) => id === row.categoryId)! }))
    .filter(({ category }) => category.name !== "background");
}
