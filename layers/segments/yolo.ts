import { type Category, objectCategories, objectSegments } from "./categories.js";
import { joinedPieces } from "./joined-rings.js";
import { segmentPolygons } from "./polygons.js";
import type { SegmentMap } from "./segment-map.js";
import { assertTableOf, type SegmentRow } from "./table.js";

/** A millionth of the side: at 10,000 pixels a hundredth of one, so that rounding finds every corner again. */
const DECIMALS = 1_000_000;

/**
 * Labels of YOLO segmentation, a line for each segment: the index of its class, then x and y of each corner as parts of width
 * and height, with (0, 0) the top left corner of the image and (1, 1) the bottom right one. A line is one object to YOLO, so
 * that pieces and holes are joined by cuts into one ring (`joinedPieces`). Text without a line means an image without objects.
 *
 * @param categories of the result; none for superpixels. The index counts them in order of id, the background left out
 * @throws ClustsegError SEGMENT_MAP_INVALID when the table belongs to another map, or a segment's class is unknown
 */
export function yoloLabels(map: SegmentMap, rows: readonly SegmentRow[], categories: readonly Category[] = []): string {
  assertTableOf(map, rows);
  const indices = new Map(objectCategories(categories).map(({ id }, index) => [id, index]));
  const polygons = segmentPolygons(map);
  const across = parts(map.width);
  const down = parts(map.height);
  let text = "";
  for (const { row, category } of objectSegments(rows, categories)) {
    const ring = joinedPieces(polygons[row.id - 1]!);
    text += indices.get(category.id);
    for (let i = 0; i < ring.length; i += 2) text += ` ${across[ring[i]!]} ${down[ring[i + 1]!]}`;
    text += "\n";
  }
  return text;
}

/**
 * data.yaml of a data set whose labels lie in `labels/` and whose images lie in `images/`, under the same names, both beside it:
 * without a `path` Ultralytics looks there. All of it is training data, as results have no split.
 */
export function yoloDataset(categories: readonly Category[] = []): string {
  const names = objectCategories(categories).map(({ name }, index) => `  ${index}: ${JSON.stringify(name)}\n`);
  return `# Results have no split: both are all images. Set some apart for val before figures of it are believed.\ntrain: images\nval: images\nnames:\n${names.join("")}`;
}

/** The text of each coordinate there can be, as making it anew for each corner would take most of the time. */
function parts(side: number): string[] {
  return Array.from({ length: side + 1 }, (_, value) => String(Math.round((value / side) * DECIMALS) / DECIMALS));
}
