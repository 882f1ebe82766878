import { type Category, classedSegments, classShift } from "./categories.js";
import { ClustsegError } from "./errors.js";
import { vocColors } from "./palette.js";
import type { SegmentMap } from "./segment-map.js";
import { assertTableOf, type SegmentRow } from "./table.js";

/** "Of no class, or of an unclear one": not looked at when results are compared. */
export const VOC_VOID = 255;
const VOC_BACKGROUND = 0;

/** A class and the number it has in class masks. */
export interface VocClass {
  readonly index: number;
  readonly name: string;
}

/**
 * The classes as PASCAL VOC numbers them: 0 is background, 1 to 254 are classes, 255 is void. A class keeps its id where that
 * can be, so that VOC's own twenty keep theirs; where another class than the background has id 0, all are one higher.
 *
 * @throws ClustsegError FORMAT_UNSUITABLE when there are no classes (superpixels), FORMAT_LIMIT when an index is above 254
 */
export function vocClasses(categories: readonly Category[]): VocClass[] {
  if (categories.length === 0) {
    throw new ClustsegError("FORMAT_UNSUITABLE", "VOC's masks tell classes, and superpixels have none", {
      hint: "Take the format palette, which gives each superpixel a colour, or another task.",
    });
  }
  const shift = classShift(categories);
  const classes = [...categories].sort((a, b) => a.id - b.id).map(({ id, name }) => ({ index: id + shift, name }));
  const last = classes.at(-1)!;
  if (last.index >= VOC_VOID) {
    throw new ClustsegError(
      "FORMAT_LIMIT",
      `VOC's masks have room for 254 classes, and "${last.name}" is ${last.index}`,
      {
        hint: "Take coco-panoptic, which has no such limit.",
      },
    );
  }
  return classes[0]!.index === VOC_BACKGROUND ? classes : [{ index: VOC_BACKGROUND, name: "background" }, ...classes];
}

/**
 * The class of each pixel (VOC's SegmentationClass), a byte each. Pixels of no segment are void, as nothing is known of them; in
 * results of the task "instance" they are background, as there all that is no object has no segment.
 *
 * @throws ClustsegError as `vocClasses`; SEGMENT_MAP_INVALID when table, map and classes do not belong together
 */
export function vocClassMask(
  map: SegmentMap,
  rows: readonly SegmentRow[],
  categories: readonly Category[],
  task: string,
): Uint8Array {
  assertTableOf(map, rows);
  vocClasses(categories);
  const shift = classShift(categories);
  const entries = new Uint8Array(map.segments + 1);
  entries[0] = vocOfNone(task);
  for (const { row, category } of classedSegments(rows, categories)) entries[row.id] = category.id + shift;
  return painted(map, entries);
}

/**
 * The object of each pixel (VOC's SegmentationObject), a byte each: things are numbered 1, 2, … in the order of their segments,
 * stuff is 0, and pixels of no segment are as in the class mask.
 *
 * @throws ClustsegError FORMAT_LIMIT for more than 254 objects; SEGMENT_MAP_INVALID as `vocClassMask`
 */
export function vocObjectMask(
  map: SegmentMap,
  rows: readonly SegmentRow[],
  categories: readonly Category[],
  task: string,
): Uint8Array {
  assertTableOf(map, rows);
  const entries = new Uint8Array(map.segments + 1);
  entries[0] = vocOfNone(task);
  let objects = 0;
  for (const { row, category } of classedSegments(rows, categories)) {
    if (!category.isthing) continue;
    objects++;
    if (objects < VOC_VOID) entries[row.id] = objects;
  }
  if (objects >= VOC_VOID) {
    throw new ClustsegError("FORMAT_LIMIT", `VOC's masks have room for 254 objects, and here are ${objects}`, {
      hint: "Take coco-panoptic, which has no such limit.",
    });
  }
  return painted(map, entries);
}

/** labelmap.txt, as CVAT and Datumaro write it beside VOC's folders: name, colour, and two empty fields a line. */
export function vocLabelMap(categories: readonly Category[]): string {
  const colors = vocColors();
  const lines = [...vocClasses(categories), { index: VOC_VOID, name: "ignored" }].map(({ index, name }) => {
    return `${name.replaceAll(/[:\s]/g, "_")}:${colors.subarray(3 * index, 3 * index + 3).join()}::\n`;
  });
  return `# label:color_rgb:parts:actions\n${lines.join("")}`;
}

function vocOfNone(task: string): number {
  return task === "instance" ? VOC_BACKGROUND : VOC_VOID;
}

function painted({ ids }: SegmentMap, entries: Uint8Array): Uint8Array {
  const pixels = new Uint8Array(ids.length);
  for (let i = 0; i < ids.length; i++) pixels[i] = entries[ids[i]!]!;
  return pixels;
}
