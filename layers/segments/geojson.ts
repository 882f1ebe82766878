import { type Category, classedSegments } from "./categories.js";
import { type Polygon, type Ring, segmentPolygons } from "./polygons.js";
import type { SegmentMap } from "./segment-map.js";
import { assertTableOf, type SegmentRow } from "./table.js";

/**
 * The segments' outlines as a GeoJSON FeatureCollection (RFC 7946), one feature a line: a Polygon, or a MultiPolygon where a
 * segment has several pieces. Coordinates are not degrees but pixels of the image, y downwards, (0, 0) the top left corner of
 * the top left pixel; each feature's properties say so, and the collection's member `image` as well. Exteriors run
 * counter-clockwise by the numbers, as the RFC wants; with y downwards that looks clockwise.
 *
 * @param rows the map's own table, in order of id (`segmentTable`)
 * @param categories of the result, which add class and score to the properties; none for superpixels
 * @throws ClustsegError SEGMENT_MAP_INVALID when the table belongs to another map, or a segment's class is unknown
 */
export function segmentsToGeoJson(
  map: SegmentMap,
  rows: readonly SegmentRow[],
  fileName: string,
  categories: readonly Category[] = [],
): string {
  assertTableOf(map, rows);
  const { width, height } = map;
  const polygons = segmentPolygons(map);
  // A name for each number there can be, as making it anew for each corner would take most of the time.
  const names = Array.from({ length: Math.max(width, height) + 1 }, (_, value) => String(value));
  const image = JSON.stringify({ file_name: fileName, width, height, unit: "pixel", y_axis: "down" });
  const classed = classedSegments(rows, categories);
  const features = classed.map(({ row, category }, i) => {
    return featureText(row, categories.length === 0 ? undefined : category, polygons[i]!, names);
  });
  return `{"type":"FeatureCollection","image":${image},"features":[\n${features.join(",\n")}\n]}\n`;
}

// Text by hand: arrays of arrays for some hundred thousand corners, to be walked by JSON.stringify, cost several times as much.
function featureText(
  row: SegmentRow,
  category: Category | undefined,
  polygons: readonly Polygon[],
  names: readonly string[],
): string {
  const { id, area, color } = row;
  const kind = category === undefined ? "" : `${classText(row, category)},`;
  const about = `"id":${id},"area":${area},${kind}"mean_color":[${color.join(",")}],"unit":"pixel","y_axis":"down"`;
  const texts = polygons.map(({ exterior, holes }) => {
    return `[${[exterior, ...holes].map((ring) => ringText(ring, names)).join(",")}]`;
  });
  const geometry =
    texts.length === 1 ? `"Polygon","coordinates":${texts[0]}` : `"MultiPolygon","coordinates":[${texts.join(",")}]`;
  return `{"type":"Feature","id":${id},"properties":{${about}},"geometry":{"type":${geometry}}}`;
}

function classText({ score }: SegmentRow, { id, name, isthing }: Category): string {
  const text = `"category_id":${id},"category":${JSON.stringify(name)},"isthing":${isthing}`;
  return score === undefined ? text : `${text},"score":${score}`;
}

/** GeoJSON's rings end with the position they begin with. */
function ringText(ring: Ring, names: readonly string[]): string {
  const positions: string[] = [];
  for (let i = 0; i < ring.length; i += 2) positions.push(`${names[ring[i]!]},${names[ring[i + 1]!]}`);
  return `[[${positions.join("],[")}],[${positions[0]}]]`;
}
