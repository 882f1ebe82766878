import type { SegmentRow } from "./table.js";

/** One row of `segments_info`, in COCO's names. `category_id`, `isthing` and `score` come with the tasks that have classes. */
export interface SegmentInfo {
  readonly id: number;
  readonly area: number;
  /** [x, y, width, height] in pixels. */
  readonly bbox: readonly [x: number, y: number, width: number, height: number];
  readonly category_id?: number;
  readonly isthing?: boolean;
  readonly score?: number;
  /** [x, y], see `SegmentRow`. */
  readonly centroid?: readonly [x: number, y: number];
  /** Not `color`: in COCO that is the colour a category is drawn in. */
  readonly mean_color?: readonly [red: number, green: number, blue: number];
}

/** The `segments_info` of a result of any task; keys in a fixed order, so that equal results are equal bytes. */
export function segmentsInfo(rows: readonly SegmentRow[]): SegmentInfo[] {
  return rows.map(({ id, area, bbox, centroid, color, categoryId, isThing, score }) => ({
    id,
    ...(categoryId === undefined ? {} : { category_id: categoryId }),
    ...(isThing === undefined ? {} : { isthing: isThing }),
    ...(score === undefined ? {} : { score }),
    area,
    bbox,
    centroid,
    mean_color: color,
  }));
}
