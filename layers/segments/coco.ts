import { type Category, classShift, objectCategories, objectSegments, superpixelCategory } from "./categories.js";
import { withoutHoles } from "./joined-rings.js";
import { segmentPolygons } from "./polygons.js";
import { type CocoRle, segmentRles } from "./rle.js";
import type { SegmentMap } from "./segment-map.js";
import { assertTableOf, type SegmentRow } from "./table.js";

/** A file of COCO instances ("Data format" at cocodataset.org), as far as this program writes it. */
export interface CocoInstances<Shape extends CocoShape = CocoRle> {
  readonly info: { readonly description: string };
  readonly licenses: readonly [];
  readonly images: readonly CocoImage[];
  readonly annotations: readonly CocoAnnotation<Shape>[];
  readonly categories: readonly CocoCategory[];
}

export interface CocoImage {
  readonly id: number;
  readonly width: number;
  readonly height: number;
  readonly file_name: string;
}

/** The corners of each piece: x0, y0, x1, y1, … COCO has no holes, so these are joined to their piece by cuts (`withoutHoles`). */
export type CocoPolygons = readonly (readonly number[])[];
export type CocoShape = CocoRle | CocoPolygons;

export interface CocoAnnotation<Shape extends CocoShape = CocoRle> {
  readonly id: number;
  readonly image_id: number;
  readonly category_id: number;
  readonly segmentation: Shape;
  /** Pixels. */
  readonly area: number;
  /** [x, y, width, height] in pixels. */
  readonly bbox: readonly [x: number, y: number, width: number, height: number];
  readonly iscrowd: 0;
  /** COCO's own only in files of results; readers of annotations pass over it. Absent where there is none. */
  readonly score?: number;
}

export interface CocoCategory {
  readonly id: number;
  readonly name: string;
  readonly supercategory: string;
}

/**
 * The segments of one image as COCO instances, masks as compressed RLE: image 1, and annotation `n` is segment `n`. Segments
 * of the background, where that is a class, have none. Keys come in a fixed order, so that equal results are equal bytes;
 * there are no dates.
 *
 * @param rows the map's own table, in order of id (`segmentTable`)
 * @param fileName of the image, as the reader will look for it
 * @param categories of the result; none for superpixels
 * @throws ClustsegError SEGMENT_MAP_INVALID when the table belongs to another map, or a segment's class is unknown
 */
export function cocoInstances(
  map: SegmentMap,
  rows: readonly SegmentRow[],
  fileName: string,
  categories: readonly Category[] = [],
): CocoInstances {
  return instances(map, cocoAnnotations(map, rows, 1, categories), fileName, categories);
}

/** The same with polygons. */
export function cocoPolygonInstances(
  map: SegmentMap,
  rows: readonly SegmentRow[],
  fileName: string,
  categories: readonly Category[] = [],
): CocoInstances<CocoPolygons> {
  return instances(map, cocoPolygonAnnotations(map, rows, 1, categories), fileName, categories);
}

function instances<Shape extends CocoShape>(
  map: SegmentMap,
  annotations: readonly UnnumberedAnnotation<Shape>[],
  fileName: string,
  categories: readonly Category[],
): CocoInstances<Shape> {
  return {
    info: cocoInfo(categories, "Annotation ids are the ids in segments.png."),
    licenses: [],
    images: [cocoImage(map, 1, fileName)],
    annotations: annotations.map(({ segment, annotation }) => ({ id: segment, ...annotation })),
    categories: cocoCategories(categories),
  };
}

/** @param more a sentence for the end */
export function cocoInfo(categories: readonly Category[], more: string): CocoInstances["info"] {
  return { description: `${categories.length === 0 ? "Superpixels" : "Segments"} by ClustSeg. ${more}` };
}

export function cocoImage({ width, height }: SegmentMap, id: number, fileName: string): CocoImage {
  return { id, width, height, file_name: fileName };
}

/** An annotation before it is numbered, and the segment that it is of. */
export interface UnnumberedAnnotation<Shape extends CocoShape = CocoRle> {
  readonly segment: number;
  readonly annotation: Omit<CocoAnnotation<Shape>, "id">;
}

/** The annotations of one image, in order of segments. Throws as `cocoInstances`. */
export function cocoAnnotations(
  map: SegmentMap,
  rows: readonly SegmentRow[],
  imageId: number,
  categories: readonly Category[],
): UnnumberedAnnotation[] {
  assertTableOf(map, rows);
  return annotations(segmentRles(map), rows, imageId, categories);
}

/** The same with polygons. */
export function cocoPolygonAnnotations(
  map: SegmentMap,
  rows: readonly SegmentRow[],
  imageId: number,
  categories: readonly Category[],
): UnnumberedAnnotation<CocoPolygons>[] {
  assertTableOf(map, rows);
  const shapes = segmentPolygons(map).map((pieces) => pieces.map((piece) => Array.from(withoutHoles(piece))));
  return annotations(shapes, rows, imageId, categories);
}

function annotations<Shape extends CocoShape>(
  shapes: readonly Shape[],
  rows: readonly SegmentRow[],
  imageId: number,
  categories: readonly Category[],
): UnnumberedAnnotation<Shape>[] {
  const shift = classShift(categories);
  return objectSegments(rows, categories).map(({ row: { id, area, bbox, score }, category }) => ({
    segment: id,
    annotation: {
      image_id: imageId,
      category_id: category.id + shift,
      segmentation: shapes[id - 1]!,
      area,
      bbox,
      iscrowd: 0,
      ...(score === undefined ? {} : { score }),
    },
  }));
}

/** Of instances: all classes but the background. Ids are the result's, or one higher (`classShift`). */
export function cocoCategories(categories: readonly Category[]): CocoCategory[] {
  const shift = classShift(categories);
  return objectCategories(categories).map((category) => cocoCategory(category, shift));
}

export function cocoCategory(category: Category, shift: number): CocoCategory {
  const { id, name, isthing } = category;
  // COCO's are such as "animal"; of ours only this is known.
  const supercategory = category === superpixelCategory ? name : isthing ? "thing" : "stuff";
  return { id: id + shift, name, supercategory };
}
