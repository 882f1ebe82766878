import { type CocoRle, segmentRles } from "./rle.js";
import type { SegmentMap } from "./segment-map.js";
import { assertTableOf, type SegmentRow } from "./table.js";

/** A file of COCO instances ("Data format" at cocodataset.org), as far as this program writes it. */
export interface CocoInstances {
  readonly info: { readonly description: string };
  readonly licenses: readonly [];
  readonly images: readonly CocoImage[];
  readonly annotations: readonly CocoAnnotation[];
  readonly categories: readonly CocoCategory[];
}

export interface CocoImage {
  readonly id: number;
  readonly width: number;
  readonly height: number;
  readonly file_name: string;
}

export interface CocoAnnotation {
  readonly id: number;
  readonly image_id: number;
  readonly category_id: number;
  readonly segmentation: CocoRle;
  /** Pixels. */
  readonly area: number;
  /** [x, y, width, height] in pixels. */
  readonly bbox: readonly [x: number, y: number, width: number, height: number];
  readonly iscrowd: 0;
}

export interface CocoCategory {
  readonly id: number;
  readonly name: string;
  readonly supercategory: string;
}

/** Superpixels have no classes, but COCO's annotations must have a category. */
const superpixelCategory: CocoCategory = { id: 1, name: "superpixel", supercategory: "superpixel" };

/**
 * The superpixels of one image as COCO instances: image 1, and annotation `n` is segment `n`. Keys come in a fixed order, so that
 * equal results are equal bytes; there are no dates.
 *
 * @param rows the map's own table, in order of id (`segmentTable`)
 * @param fileName of the image, as the reader will look for it
 * @throws ClustsegError SEGMENT_MAP_INVALID when the table belongs to another map
 */
export function cocoInstances(map: SegmentMap, rows: readonly SegmentRow[], fileName: string): CocoInstances {
  assertTableOf(map, rows);
  const rles = segmentRles(map);
  return {
    info: { description: "Superpixels by ClustSeg. Annotation ids are the ids in segments.png." },
    licenses: [],
    images: [{ id: 1, width: map.width, height: map.height, file_name: fileName }],
    annotations: rows.map(({ id, area, bbox }, i) => ({
      id,
      image_id: 1,
      category_id: superpixelCategory.id,
      segmentation: rles[i]!,
      area,
      bbox,
      iscrowd: 0,
    })),
    categories: [superpixelCategory],
  };
}
