import {
  type CocoPolygons,
  cocoAnnotations,
  cocoCategories,
  cocoImage,
  cocoInfo,
  cocoPolygonAnnotations,
  type UnnumberedAnnotation,
} from "../segments/coco.js";
import { panopticAnnotation, panopticCategories, panopticPixels } from "../segments/coco-panoptic.js";
import type { DatasetContext, ExportedImage, ExportFormat } from "./export-format.js";

/**
 * COCO's files name their lists of images and annotations one after the other, and results come image by image: so both are
 * kept as lines first, and then copied in turn.
 */
const images = "i";
const annotations = "a";

/** instances.json, masks as RLE. */
export const cocoFormat = instancesFormat(({ map, rows, number, classes }) =>
  cocoAnnotations(map, rows, number, classes.categories),
);

/** instances.json with polygons. */
export const cocoPolygonsFormat = instancesFormat(({ map, rows, number, classes }) =>
  cocoPolygonAnnotations(map, rows, number, classes.categories),
);

/** panoptic.json and panoptic/<image>.png: where panopticapi looks for them. */
export const cocoPanopticFormat: ExportFormat = {
  folders: ["panoptic"],
  async image({ key, number, map, rows, classes }, { codecs }) {
    const png = `${key}.png`;
    const body = await codecs.encodeRgb(panopticPixels(map), map.width, map.height);
    const annotation = panopticAnnotation(map, rows, number, png, classes.categories);
    return {
      files: [{ key: `panoptic/${png}`, body, contentType: "image/png" }],
      lines: [
        [images, JSON.stringify(cocoImage(map, number, key))],
        [annotations, JSON.stringify(annotation)],
      ],
      segments: annotation.segments_info.length,
    };
  },
  dataset(context) {
    const { categories } = context.classes;
    const info = cocoInfo(categories, "Ids are red + 256 green + 256^2 blue in the PNGs, and the ids in segments.png.");
    const lines = cocoLines(context, info, panopticCategories(categories), context.list(annotations));
    return [{ key: "panoptic.json", lines }];
  },
};

function instancesFormat(
  annotate: (image: ExportedImage) => readonly (UnnumberedAnnotation | UnnumberedAnnotation<CocoPolygons>)[],
): ExportFormat {
  return {
    async image(image) {
      const { key, number, map } = image;
      const found = annotate(image);
      const lines = found.map(({ segment, annotation }) => {
        return [annotations, JSON.stringify({ ...annotation, segment_id: segment })] as const;
      });
      return { lines: [[images, JSON.stringify(cocoImage(map, number, key))], ...lines], segments: found.length };
    },
    dataset(context) {
      const { categories } = context.classes;
      const info = cocoInfo(categories, "segment_id is the id in the image's segments.png.");
      const numbered = withIds(context.list(annotations));
      const lines = cocoLines(context, info, cocoCategories(categories), numbered);
      return [{ key: "instances.json", lines }];
    },
  };
}

async function* cocoLines(
  { list }: DatasetContext,
  info: object,
  categories: readonly object[],
  annotationLines: AsyncIterable<string>,
): AsyncGenerator<string> {
  yield `{"info":${JSON.stringify(info)},"licenses":[],"categories":${JSON.stringify(categories)},`;
  yield '"images":[';
  yield* commaBetween(list(images));
  yield '],"annotations":[';
  yield* commaBetween(annotationLines);
  yield "]}";
}

/** Annotations are numbered over all images, from 1, as COCO wants ids that are unique in the file. */
async function* withIds(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let id = 0;
  for await (const line of lines) yield `{"id":${++id},${line.slice(1)}`;
}

/** Each line with a comma at its end, but for the last. */
export async function* commaBetween(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let held: string | undefined;
  for await (const line of lines) {
    if (held !== undefined) yield `${held},`;
    held = line;
  }
  if (held !== undefined) yield held;
}
