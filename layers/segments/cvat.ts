import { type Category, objectCategories, objectSegments } from "./categories.js";
import type { SegmentMap } from "./segment-map.js";
import { assertTableOf, type SegmentRow } from "./table.js";
import { attribute, hexColor, xmlText } from "./xml.js";

/**
 * "CVAT for images 1.1" (docs.cvat.ai, XML annotation format), in the parts that a stream needs: head, images, foot. CVAT finds
 * the images by name among those of a task, whose labels have to be there (`cvatLabels`).
 */

const INPUT_TYPE = "text";
const SCORE = "score";

/** Lines before the first image. `images` is how many there will be. */
export function cvatHead(categories: readonly Category[], images: number): string[] {
  const labels = objectCategories(categories).map(
    ({ name, color }) =>
      `        <label><name>${xmlText(name)}</name><color>${hexColor(color)}</color><type>mask</type><attributes>` +
      `<attribute><name>${SCORE}</name><mutable>False</mutable><input_type>${INPUT_TYPE}</input_type><default_value></default_value><values></values></attribute>` +
      "</attributes></label>",
  );
  return [
    '<?xml version="1.0" encoding="utf-8"?>',
    "<annotations>",
    "  <version>1.1</version>",
    "  <meta>",
    "    <task>",
    "      <name>ClustSeg</name>",
    `      <size>${images}</size>`,
    "      <mode>annotation</mode>",
    "      <labels>",
    ...labels,
    "      </labels>",
    "    </task>",
    "  </meta>",
  ];
}

export const cvatFoot = "</annotations>";

/**
 * One image: a mask for each segment but those of the background, exact, in however many pieces and with holes.
 *
 * @param id number of the image, from 0
 * @param categories of the result; none for superpixels
 * @throws ClustsegError SEGMENT_MAP_INVALID when the table belongs to another map, or a segment's class is unknown
 */
export function cvatImage(
  map: SegmentMap,
  rows: readonly SegmentRow[],
  categories: readonly Category[],
  id: number,
  fileName: string,
): string[] {
  assertTableOf(map, rows);
  const { width, height } = map;
  const lines = [`  <image id="${id}" name=${attribute(fileName)} width="${width}" height="${height}">`];
  for (const { row, category } of objectSegments(rows, categories)) {
    const [left, top, wide, high] = row.bbox;
    const mask =
      `    <mask label=${attribute(category.name)} source="auto" occluded="0" rle="${cvatRle(map, row).join(", ")}"` +
      ` left="${left}" top="${top}" width="${wide}" height="${high}" z_order="0">`;
    const score = row.score === undefined ? "" : `<attribute name="${SCORE}">${row.score}</attribute>`;
    lines.push(`${mask}${score}</mask>`);
  }
  lines.push("  </image>");
  return lines;
}

/** The labels as CVAT's "Raw" editor takes them when a task or a project is made. */
export function cvatLabels(categories: readonly Category[]): string {
  const score = { name: SCORE, mutable: false, input_type: INPUT_TYPE, default_value: "", values: [] };
  const labels = objectCategories(categories).map(({ name, color }) => ({
    name,
    color: hexColor(color),
    type: "mask",
    attributes: [score],
  }));
  return `${JSON.stringify(labels, undefined, 2)}\n`;
}

/** Lengths of runs along the rows of a segment's box: pixels of others, pixels of the segment, pixels of others, … */
export function cvatRle({ width, ids }: SegmentMap, { id, bbox: [left, top, wide, high] }: SegmentRow): number[] {
  const lengths: number[] = [];
  let inside = false;
  let length = 0;
  for (let y = top; y < top + high; y++) {
    const row = y * width;
    for (let i = row + left; i < row + left + wide; i++) {
      if ((ids[i] === id) !== inside) {
        lengths.push(length);
        length = 0;
        inside = !inside;
      }
      length++;
    }
  }
  lengths.push(length);
  return lengths;
}
