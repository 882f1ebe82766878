import { type Category, classedSegments, classShift, exportedCategories } from "./categories.js";
import { type CocoCategory, type CocoImage, cocoCategory, cocoImage, cocoInfo } from "./coco.js";
import type { SegmentMap } from "./segment-map.js";
import { assertTableOf, type SegmentRow } from "./table.js";

/** A file of COCO panoptic ("Data format" at cocodataset.org): what the PNGs beside it hold. */
export interface CocoPanoptic {
  readonly info: { readonly description: string };
  readonly licenses: readonly [];
  readonly images: readonly CocoImage[];
  readonly annotations: readonly PanopticAnnotation[];
  readonly categories: readonly PanopticCategory[];
}

/** One image: its PNG, and each segment in it. */
export interface PanopticAnnotation {
  readonly image_id: number;
  /** Of the PNG. */
  readonly file_name: string;
  readonly segments_info: readonly PanopticSegment[];
}

export interface PanopticSegment {
  /** Red + 256 green + 256^2 blue in the PNG, which is the id in segments.png as well. */
  readonly id: number;
  readonly category_id: number;
  readonly area: number;
  readonly bbox: readonly [x: number, y: number, width: number, height: number];
  readonly iscrowd: 0;
  /** Absent where there is none. */
  readonly score?: number;
}

export interface PanopticCategory extends CocoCategory {
  readonly isthing: 0 | 1;
  readonly color: readonly [red: number, green: number, blue: number];
}

/**
 * The segments of one image as COCO panoptic: image 1, whose PNG is called `pngName`. Background, where it is a class, is a
 * segment like others; pixels of no segment are 0, COCO's void.
 *
 * @throws ClustsegError SEGMENT_MAP_INVALID when the table belongs to another map, or a segment's class is unknown
 */
export function cocoPanoptic(
  map: SegmentMap,
  rows: readonly SegmentRow[],
  fileName: string,
  pngName: string,
  categories: readonly Category[] = [],
): CocoPanoptic {
  return {
    info: cocoInfo(categories, "Ids are red + 256 green + 256^2 blue in the PNG, and the ids in segments.png."),
    licenses: [],
    images: [cocoImage(map, 1, fileName)],
    annotations: [panopticAnnotation(map, rows, 1, pngName, categories)],
    categories: panopticCategories(categories),
  };
}

/** Throws as `cocoPanoptic`. */
export function panopticAnnotation(
  map: SegmentMap,
  rows: readonly SegmentRow[],
  imageId: number,
  pngName: string,
  categories: readonly Category[],
): PanopticAnnotation {
  assertTableOf(map, rows);
  const shift = classShift(categories);
  const segments = classedSegments(rows, categories).map(({ row: { id, area, bbox, score }, category }) => ({
    id,
    category_id: category.id + shift,
    area,
    bbox,
    iscrowd: 0 as const,
    ...(score === undefined ? {} : { score }),
  }));
  return { image_id: imageId, file_name: pngName, segments_info: segments };
}

/** Of panoptic: all classes, the background as well. Ids are the result's, or one higher (`classShift`). */
export function panopticCategories(categories: readonly Category[]): PanopticCategory[] {
  const shift = classShift(categories);
  return exportedCategories(categories).map((category) => {
    return { ...cocoCategory(category, shift), isthing: category.isthing ? 1 : 0, color: category.color };
  });
}

/** The PNG's pixels, interleaved RGB: red + 256 green + 256^2 blue is the segment's id. */
export function panopticPixels({ ids }: SegmentMap): Uint8Array {
  const rgb = new Uint8Array(3 * ids.length);
  for (let i = 0, c = 0; i < ids.length; i++, c += 3) {
    const id = ids[i]!;
    rgb[c] = id & 255;
    rgb[c + 1] = id >> 8;
  }
  return rgb;
}
