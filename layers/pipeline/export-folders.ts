import { hasObjects, objectSegments, superpixelCategory } from "../segments/categories.js";
import { cutout, cutoutName } from "../segments/cutout.js";
import { ClustsegError } from "../segments/errors.js";
import { segmentsToGeoJson } from "../segments/geojson.js";
import { vocClassMask, vocLabelMap, vocObjectMask } from "../segments/voc.js";
import { yoloDataset, yoloLabels } from "../segments/yolo.js";
import type { ExportedFile, ExportedImage, ExportFormat, FormatContext } from "./export-format.js";

/** Formats that are folders of files, one or more an image. */

const utf8 = new TextEncoder();
const text = "text/plain; charset=utf-8";

/** labels/<name>.txt, images/<image> if they are given, data.yaml. */
export const yoloFormat: ExportFormat = {
  namedByStem: true,
  folders: ["images", "labels"],
  async image(image, context) {
    const { key, map, rows, classes } = image;
    const labels = yoloLabels(map, rows, classes.categories);
    return {
      files: [
        { key: `labels/${stemOf(key)}.txt`, body: utf8.encode(labels), contentType: text },
        ...(await copyOf(image, context, "images/")),
      ],
      segments: labels.split("\n").length - 1,
    };
  },
  dataset: ({ classes }) => [{ key: "data.yaml", lines: [yoloDataset(classes.categories).trimEnd()] }],
};

/** VOC2012's folders: SegmentationClass, SegmentationObject where there are objects, JPEGImages if they are given. */
export const vocFormat: ExportFormat = {
  namedByStem: true,
  folders: ["JPEGImages", "SegmentationClass", "SegmentationObject"],
  async image(image, context) {
    const { key, map, rows, classes } = image;
    const { categories, task } = classes;
    const stem = stemOf(key);
    if (/^[\s#]|[\r\n]|\s$/u.test(stem)) {
      throw new ClustsegError("FORMAT_LIMIT", `VOC's list of names has no way to say ${JSON.stringify(stem)}`, {
        hint: "Rename the image: no line end, no blank at either end, no # at the beginning.",
      });
    }
    const png = async (folder: string, indices: Uint8Array): Promise<ExportedFile> => ({
      key: `${folder}/${stem}.png`,
      body: await context.codecs.encodeVoc(indices, map.width, map.height),
      contentType: "image/png",
    });
    const files = [await png("SegmentationClass", vocClassMask(map, rows, categories, task))];
    if (hasObjects(task)) files.push(await png("SegmentationObject", vocObjectMask(map, rows, categories, task)));
    files.push(...(await copyOf(image, context, "JPEGImages/")));
    return { files, lines: [["n", stem]], segments: rows.length };
  },
  dataset: ({ classes, list }) => [
    { key: "ImageSets/Segmentation/default.txt", lines: list("n") },
    { key: "labelmap.txt", lines: [vocLabelMap(classes.categories).trimEnd()] },
  ],
};

/** <image>.geojson: coordinates are an image's own, so that one collection of several would lay them over each other. */
export const geojsonFormat: ExportFormat = {
  async image({ key, map, rows, classes }) {
    const body = utf8.encode(segmentsToGeoJson(map, rows, key, classes.categories));
    return { files: [{ key: `${key}.geojson`, body, contentType: "application/geo+json" }], segments: rows.length };
  },
  dataset: () => [],
};

/** <image>/0012-<class>.png: the objects, or, where the task has none, all segments but the background; RGBA. */
export const cutoutsFormat: ExportFormat = {
  needsImages: true,
  async image(image, { codecs, maxCutouts = 100 }) {
    const { key, map, rows, classes } = image;
    const picture = await codecs.decodeImage(await image.source());
    if (picture.width !== map.width || picture.height !== map.height) {
      throw new ClustsegError(
        "OBJECT_CHANGED",
        `${key} has ${picture.width} x ${picture.height} pixels, but its result ${map.width} x ${map.height}`,
        { hint: "Give the images that were segmented, or segment these." },
      );
    }
    const objects = objectSegments(rows, classes.categories).filter(
      ({ category }) => category.isthing || !hasObjects(classes.task),
    );
    const chosen = [...objects]
      .sort((a, b) => b.row.area - a.row.area || a.row.id - b.row.id)
      .slice(0, maxCutouts)
      .sort((a, b) => a.row.id - b.row.id);
    const files: ExportedFile[] = [];
    // One after the other: all of them at once would be the whole picture once more for each large segment.
    for (const { row, category } of chosen) {
      const { width, height, rgba } = cutout(map, row, picture.data);
      const name = cutoutName(row.id, category === superpixelCategory ? undefined : category.name);
      files.push({
        key: `${key}/${name}`,
        body: await codecs.encodeRgba(rgba, width, height),
        contentType: "image/png",
      });
    }
    return { files, segments: files.length };
  },
  dataset: () => [],
};

/** Without the extension, if there is one: "a/b.c.jpg" is "a/b.c". */
export function stemOf(key: string): string {
  const dot = key.lastIndexOf(".");
  return dot > key.lastIndexOf("/") + 1 ? key.slice(0, dot) : key;
}

async function copyOf(image: ExportedImage, { images }: FormatContext, folder: string): Promise<ExportedFile[]> {
  if (images === undefined) return [];
  return [{ key: `${folder}${image.key}`, body: await image.source(), contentType: "application/octet-stream" }];
}
