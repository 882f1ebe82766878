import { type Category, objectCategories, objectSegments } from "./categories.js";
import { withoutHoles } from "./joined-rings.js";
import { type Ring, segmentPolygons } from "./polygons.js";
import type { SegmentMap } from "./segment-map.js";
import { assertTableOf, type SegmentRow } from "./table.js";
import { attribute, hexColor } from "./xml.js";

/** Names in the labelling config, to which the regions refer. */
const CONTROL = "label";
const OBJECT = "image";
/** Millionths of a percent: a ten-thousandth of a pixel at 10,000. */
const DECIMALS = 1_000_000;

/** A task to import, with what the model says of it. */
export interface LabelStudioTask {
  readonly data: { readonly image: string };
  readonly predictions: readonly LabelStudioPrediction[];
}

export interface LabelStudioPrediction {
  readonly model_version: string;
  /** Mean of the segments' scores, by which Label Studio sorts tasks; absent where there are none. */
  readonly score?: number;
  readonly result: readonly LabelStudioRegion[];
}

/** One piece of a segment. */
export interface LabelStudioRegion {
  /** "<segment>" or, of several pieces, "<segment>-<piece>". */
  readonly id: string;
  readonly type: "polygonlabels";
  readonly from_name: string;
  readonly to_name: string;
  readonly original_width: number;
  readonly original_height: number;
  readonly image_rotation: 0;
  readonly score?: number;
  readonly value: {
    /** x and y in percent of width and height. */
    readonly points: readonly (readonly [x: number, y: number])[];
    readonly closed: true;
    readonly polygonlabels: readonly [string];
  };
}

/**
 * One image as a task of Label Studio. A region is one polygon without holes, so a piece is a region, and holes are joined to it
 * by cuts (`withoutHoles`).
 *
 * @param url where Label Studio finds the image
 * @param categories of the result; none for superpixels
 * @param modelVersion what Label Studio calls the model
 * @throws ClustsegError SEGMENT_MAP_INVALID when the table belongs to another map, or a segment's class is unknown
 */
export function labelStudioTask(
  map: SegmentMap,
  rows: readonly SegmentRow[],
  categories: readonly Category[],
  url: string,
  modelVersion: string,
): LabelStudioTask {
  assertTableOf(map, rows);
  const { width, height } = map;
  const polygons = segmentPolygons(map);
  const across = percents(width);
  const down = percents(height);
  const scores: number[] = [];
  const result: LabelStudioRegion[] = [];
  for (const { row, category } of objectSegments(rows, categories)) {
    if (row.score !== undefined) scores.push(row.score);
    const pieces = polygons[row.id - 1]!;
    for (const [i, piece] of pieces.entries()) {
      result.push({
        id: pieces.length === 1 ? String(row.id) : `${row.id}-${i + 1}`,
        type: "polygonlabels",
        from_name: CONTROL,
        to_name: OBJECT,
        original_width: width,
        original_height: height,
        image_rotation: 0,
        ...(row.score === undefined ? {} : { score: row.score }),
        value: {
          points: pointsOf(withoutHoles(piece), across, down),
          closed: true,
          polygonlabels: [category.name],
        },
      });
    }
  }
  const score = scores.length === 0 ? {} : { score: mean(scores) };
  return { data: { image: url }, predictions: [{ model_version: modelVersion, ...score, result }] };
}

/** The labelling config of a project that takes the tasks: polygons on an image, a label for each class but the background. */
export function labelStudioConfig(categories: readonly Category[]): string {
  const labels = objectCategories(categories).map(
    ({ name, color }) => `    <Label value=${attribute(name)} background="${hexColor(color)}"/>`,
  );
  return [
    "<View>",
    `  <Image name="${OBJECT}" value="$image" zoom="true" zoomControl="true"/>`,
    `  <PolygonLabels name="${CONTROL}" toName="${OBJECT}" strokeWidth="1" opacity="0.4">`,
    ...labels,
    "  </PolygonLabels>",
    "</View>",
    "",
  ].join("\n");
}

function pointsOf(ring: Ring, across: Float64Array, down: Float64Array): [number, number][] {
  return Array.from({ length: ring.length / 2 }, (_, i) => [across[ring[2 * i]!]!, down[ring[2 * i + 1]!]!]);
}

function percents(side: number): Float64Array {
  return Float64Array.from({ length: side + 1 }, (_, value) => Math.round((100 * value * DECIMALS) / side) / DECIMALS);
}

function mean(values: readonly number[]): number {
  return Math.round((values.reduce((sum, value) => sum + value, 0) / values.length) * 10_000) / 10_000;
}
