import { type Classes, noClasses } from "../segments/categories.js";
import { cocoInstances, cocoPolygonInstances } from "../segments/coco.js";
import { cocoPanoptic, panopticPixels } from "../segments/coco-panoptic.js";
import { segmentsToCsv } from "../segments/csv.js";
import { ClustsegError } from "../segments/errors.js";
import { segmentsToGeoJson } from "../segments/geojson.js";
import { meanColorPicture } from "../segments/mean-colour.js";
import { overlayBoundaries, overlaySegments } from "../segments/overlay.js";
import { segmentColors } from "../segments/segment-colors.js";
import type { SegmentMap } from "../segments/segment-map.js";
import { type ClusterSteps, stepsToJson } from "../segments/steps.js";
import type { SegmentRow } from "../segments/table.js";
import { vocClasses, vocClassMask } from "../segments/voc.js";
import { yoloLabels } from "../segments/yolo.js";
import type { DecodedImage } from "./decoded-image.js";
import { encodeIds, encodePalette, encodeRgbJpeg, encodeRgbPng, encodeSteps, encodeVoc } from "./encode.js";

/** What there is to make files of. */
export interface ResultParts {
  readonly map: SegmentMap;
  readonly image: Pick<DecodedImage, "data">;
  readonly rows: readonly SegmentRow[];
  /** What the image is called in files that name it (COCO's file_name). */
  readonly name: string;
  /** @default superpixels */
  readonly classes?: Classes;
  /** Needed for the format steps only. */
  readonly steps?: ClusterSteps;
}

type Maker = (
  parts: Required<Omit<ResultParts, "steps">> & Pick<ResultParts, "steps">,
) => Uint8Array | Promise<Uint8Array>;

const utf8 = new TextEncoder();
const json = (value: unknown): Uint8Array => utf8.encode(`${JSON.stringify(value)}\n`);

/** Flat areas: a higher level than photographs want makes the file much smaller in hardly more time. */
const FLAT_LEVEL = 6;

/** Extra files that can be asked for beside segments.png: format -> file name -> how it is made. */
const makers = {
  overlay: { "overlay.png": (parts) => encodeRgbPng(overlayOf(parts), parts.map.width, parts.map.height) },
  "overlay-jpg": { "overlay.jpg": (parts) => encodeRgbJpeg(overlayOf(parts), parts.map.width, parts.map.height) },
  mean: {
    "mean.png": ({ map, rows }) => encodeRgbPng(meanColorPicture(map, rows), map.width, map.height, FLAT_LEVEL),
  },
  csv: { "segments.csv": ({ rows, classes: { categories } }) => utf8.encode(segmentsToCsv(rows, { categories })) },
  coco: {
    "segments.coco.json": ({ map, rows, name, classes }) => json(cocoInstances(map, rows, name, classes.categories)),
  },
  "coco-polygons": {
    "polygons.coco.json": ({ map, rows, name, classes }) =>
      json(cocoPolygonInstances(map, rows, name, classes.categories)),
  },
  "coco-panoptic": {
    "panoptic.png": ({ map }) => encodeRgbPng(panopticPixels(map), map.width, map.height, FLAT_LEVEL),
    "panoptic.json": ({ map, rows, name, classes }) =>
      json(cocoPanoptic(map, rows, name, "panoptic.png", classes.categories)),
  },
  geojson: {
    "segments.geojson": ({ map, rows, name, classes }) =>
      utf8.encode(segmentsToGeoJson(map, rows, name, classes.categories)),
  },
  yolo: { "segments.yolo.txt": ({ map, rows, classes }) => utf8.encode(yoloLabels(map, rows, classes.categories)) },
  voc: {
    "classes.png": ({ map, rows, classes: { categories, task } }) =>
      encodeVoc(vocClassMask(map, rows, categories, task), map.width, map.height),
  },
  palette: { "palette.png": ({ map }) => encodePalette(map) },
  steps: {
    "steps.png": ({ steps }) => encodeSteps(given(steps)),
    "steps.json": ({ steps }) => utf8.encode(stepsToJson(given(steps))),
  },
} as const satisfies Record<string, Readonly<Record<string, Maker>>>;

export type ResultFormat = keyof typeof makers;

/** The files of each format. */
export const resultFormats: Readonly<Record<ResultFormat, readonly string[]>> = Object.fromEntries(
  Object.entries(makers).map(([format, files]) => [format, Object.keys(files)]),
) as Record<ResultFormat, string[]>;

/**
 * The files of one result, by name. In the order of `resultFormats`, whatever the order asked, so that equal requests give equal
 * results.
 *
 * @throws ClustsegError FORMAT_UNSUITABLE, FORMAT_LIMIT, SEGMENT_MAP_INVALID, ENCODE_FAILED
 */
export async function resultFiles(
  formats: ReadonlySet<ResultFormat>,
  parts: ResultParts,
): Promise<Map<string, Uint8Array>> {
  const whole = { classes: noClasses, ...parts };
  const asked = Object.entries<Readonly<Record<string, Maker>>>(makers)
    .filter(([format]) => formats.has(format as ResultFormat))
    .flatMap(([, files]) => Object.entries(files));
  const all: [string, Maker][] = [["segments.png", ({ map }) => encodeIds(map)], ...asked];
  const files = await Promise.all(all.map(async ([file, make]) => [file, await make(whole)] as const));
  return new Map(files);
}

/** @throws ClustsegError FORMAT_UNKNOWN */
export function asFormats(formats: readonly string[]): ReadonlySet<ResultFormat> {
  const known = new Set<ResultFormat>();
  for (const format of formats) {
    if (format === "segments") continue;
    if (!Object.hasOwn(resultFormats, format)) {
      throw new ClustsegError("FORMAT_UNKNOWN", `There is no format called "${format}".`, {
        hint: `Formats: segments (always made), ${Object.keys(resultFormats).join(", ")}.`,
      });
    }
    known.add(format as ResultFormat);
  }
  return known;
}

/**
 * Checks that the formats can say something of segments that have no class.
 * @throws ClustsegError FORMAT_UNSUITABLE
 */
export function assertClassless(formats: ReadonlySet<ResultFormat>): void {
  if (formats.has("voc")) vocClasses([]);
}

/** Superpixels cover all there is, so that colour over them would only hide it: theirs are outlines alone. */
function overlayOf({ map, image, rows, classes: { categories } }: Parameters<Maker>[0]): Uint8Array {
  if (categories.length === 0) return overlayBoundaries(map, image.data);
  return overlaySegments(map, image.data, segmentColors(rows, categories));
}

function given(steps: ClusterSteps | undefined): ClusterSteps {
  if (steps !== undefined) return steps;
  throw new ClustsegError("FORMAT_UNSUITABLE", "The model does not tell its steps for this task", {
    hint: "Take a bundle whose graph has the output steps, or leave the format out.",
  });
}
