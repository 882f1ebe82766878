import { cocoInstances } from "../segments/coco.js";
import { segmentsToCsv } from "../segments/csv.js";
import { ClustsegError } from "../segments/errors.js";
import { segmentsToGeoJson } from "../segments/geojson.js";
import { meanColorPicture } from "../segments/mean-colour.js";
import { overlayBoundaries } from "../segments/overlay.js";
import type { SegmentMap } from "../segments/segment-map.js";
import type { SegmentRow } from "../segments/table.js";
import type { DecodedImage } from "./decoded-image.js";
import { encodeIds, encodePalette, encodeRgbJpeg, encodeRgbPng } from "./encode.js";

/** Extra files that can be asked for beside segments.png: format -> file name. */
export const resultFormats = {
  overlay: "overlay.png",
  "overlay-jpg": "overlay.jpg",
  mean: "mean.png",
  csv: "segments.csv",
  coco: "segments.coco.json",
  geojson: "segments.geojson",
  palette: "palette.png",
} as const;

export type ResultFormat = keyof typeof resultFormats;

const utf8 = new TextEncoder();

/** The files of one result, by name. In the order of `resultFormats`, whatever the order asked, so that equal requests give equal results. */
export async function resultFiles(
  formats: ReadonlySet<ResultFormat>,
  map: SegmentMap,
  image: DecodedImage,
  segments: readonly SegmentRow[],
  name: string,
): Promise<Map<string, Uint8Array>> {
  const { width, height } = map;
  const drawn = formats.has("overlay") || formats.has("overlay-jpg") ? overlayBoundaries(map, image.data) : undefined;
  const waiting: [string, Promise<Uint8Array> | Uint8Array][] = [["segments.png", encodeIds(map)]];
  if (drawn !== undefined && formats.has("overlay"))
    waiting.push([resultFormats.overlay, encodeRgbPng(drawn, width, height)]);
  if (drawn !== undefined && formats.has("overlay-jpg")) {
    waiting.push([resultFormats["overlay-jpg"], encodeRgbJpeg(drawn, width, height)]);
  }
  // Flat areas: a higher level makes the file much smaller in hardly more time.
  if (formats.has("mean"))
    waiting.push([resultFormats.mean, encodeRgbPng(meanColorPicture(map, segments), width, height, 6)]);
  if (formats.has("csv")) waiting.push([resultFormats.csv, utf8.encode(segmentsToCsv(segments))]);
  if (formats.has("coco")) {
    waiting.push([resultFormats.coco, utf8.encode(`${JSON.stringify(cocoInstances(map, segments, name))}\n`)]);
  }
  if (formats.has("geojson"))
    waiting.push([resultFormats.geojson, utf8.encode(segmentsToGeoJson(map, segments, name))]);
  if (formats.has("palette")) waiting.push([resultFormats.palette, encodePalette(map)]);
  const files = await Promise.all(waiting.map(async ([file, bytes]) => [file, await bytes] as const));
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
