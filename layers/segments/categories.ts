import { ClustsegError } from "./errors.js";
import type { SegmentRow } from "./table.js";

/** A class that segments can have, in COCO's names; the `categories` of metadata.json and of data set exports. */
export interface Category {
  readonly id: number;
  readonly name: string;
  /** Things are countable (a segment is one object); stuff is not (a segment is all of it in the picture). */
  readonly isthing: boolean;
  /** Red, green, blue, 0..255. */
  readonly color: readonly [red: number, green: number, blue: number];
}

/** What a result's segments are: the task that found them, and its classes; superpixels have none. */
export interface Classes {
  readonly task: string;
  readonly categories: readonly Category[];
}

export const noClasses: Classes = { task: "superpixel", categories: [] };

/**
 * The class that superpixels get in formats that know no segment without one. A thing, as each is counted by itself: of a
 * stuff class COCO allows one segment an image.
 */
export const superpixelCategory: Category = { id: 1, name: "superpixel", isthing: true, color: [128, 0, 0] };

/** A segment together with its class. */
export interface ClassedSegment {
  readonly row: SegmentRow;
  readonly category: Category;
}

/** "No object" by another name: what detectors and annotation tools call background is what they have no annotation of. */
export function isBackground({ id, name, isthing }: Category): boolean {
  return id === 0 && !isthing && name === "background";
}

/**
 * What class ids are raised by where 0 means "no class": 1 if a class other than the background has that id, else 0. (COCO's own
 * begin at 1, and readers such as Datumaro and Ultralytics take 0 for none; VOC's 0 is the background.)
 */
export function classShift(categories: readonly Category[]): 0 | 1 {
  return categories.some((category) => category.id === 0 && !isBackground(category)) ? 1 : 0;
}

/** The classes of a result in order of id; of superpixels the one that stands in. */
export function exportedCategories(categories: readonly Category[]): readonly Category[] {
  return categories.length === 0 ? [superpixelCategory] : [...categories].sort((a, b) => a.id - b.id);
}

/** The same without the background. */
export function objectCategories(categories: readonly Category[]): readonly Category[] {
  return exportedCategories(categories).filter((category) => !isBackground(category));
}

/**
 * Each segment with its class.
 *
 * @param categories of the result; none for superpixels
 * @throws ClustsegError SEGMENT_MAP_INVALID when a segment's class is not among them
 */
export function classedSegments(rows: readonly SegmentRow[], categories: readonly Category[]): ClassedSegment[] {
  if (categories.length === 0) return rows.map((row) => ({ row, category: superpixelCategory }));
  const byId = new Map(categories.map((category) => [category.id, category]));
  return rows.map((row) => {
    const category = row.categoryId === undefined ? undefined : byId.get(row.categoryId);
    if (category !== undefined) return { row, category };
    const found = row.categoryId === undefined ? "no class" : `class ${row.categoryId}`;
    throw new ClustsegError("SEGMENT_MAP_INVALID", `Segment ${row.id} has ${found}, which is none of the result's`, {
      hint: "Make the result again with --force.",
    });
  });
}

/** The segments that are objects to a detector or an annotation tool: all but those of the background. Throws as `classedSegments`. */
export function objectSegments(rows: readonly SegmentRow[], categories: readonly Category[]): ClassedSegment[] {
  return classedSegments(rows, categories).filter(({ category }) => !isBackground(category));
}

/** The tasks in which a segment is one object, if its class is one of things. */
export function hasObjects(task: string): boolean {
  return task === "instance" || task === "panoptic";
}
