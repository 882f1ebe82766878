import { segmentsToCsv } from "../segments/csv.js";
import { cvatFoot, cvatHead, cvatImage, cvatLabels } from "../segments/cvat.js";
import { labelStudioConfig, labelStudioTask } from "../segments/label-studio.js";
import { commaBetween } from "./export-coco.js";
import type { ExportFormat } from "./export-format.js";

/** Formats that are one long file, image after image. */

const all = "x";

/** segments.csv with the column `image`. */
export const csvFormat: ExportFormat = {
  async image({ key, rows, classes: { categories } }) {
    const text = segmentsToCsv(rows, { image: key, categories, header: false });
    // A name may hold a line's end, which lines that are kept must not.
    return { lines: text === "" ? [] : [[all, JSON.stringify(text.slice(0, -1))]], segments: rows.length };
  },
  dataset: ({ classes: { categories }, list }) => [
    { key: "segments.csv", lines: csvLines(segmentsToCsv([], { image: "", categories }).trimEnd(), list(all)) },
  ],
};

async function* csvLines(head: string, lines: AsyncIterable<string>): AsyncGenerator<string> {
  yield head;
  for await (const line of lines) yield JSON.parse(line) as string;
}

/** annotations.xml for CVAT's import, and labels.json for making the task that it is imported to. */
export const cvatFormat: ExportFormat = {
  async image({ key, number, map, rows, classes }) {
    const lines = cvatImage(map, rows, classes.categories, number - 1, key);
    return { lines: lines.map((line) => [all, line] as const), segments: lines.length - 2 };
  },
  dataset: ({ classes: { categories }, written, list }) => [
    { key: "annotations.xml", lines: between(cvatHead(categories, written), list(all), [cvatFoot]) },
    { key: "labels.json", lines: [cvatLabels(categories).trimEnd()] },
  ],
};

/** Of Label Studio's local storage: the path below its document root. */
const localFiles = "/data/local-files/?d=";

/** tasks.json for Label Studio's import, and labeling-config.xml for the project. */
export const labelStudioFormat: ExportFormat = {
  async image({ key, map, rows, classes }, { imageUrl = localFiles, kind: { model } }) {
    const url = imageUrl + key.split("/").map(encodeURIComponent).join("/");
    const task = labelStudioTask(map, rows, classes.categories, url, `${model.name} ${model.version}`);
    const segments = new Set(task.predictions[0]!.result.map(({ id }) => id.split("-")[0]));
    return { lines: [[all, JSON.stringify(task)]], segments: segments.size };
  },
  dataset: ({ classes: { categories }, list }) => [
    { key: "tasks.json", lines: between(["["], commaBetween(list(all)), ["]"]) },
    { key: "labeling-config.xml", lines: [labelStudioConfig(categories).trimEnd()] },
  ],
};

async function* between(
  head: readonly string[],
  lines: AsyncIterable<string>,
  foot: readonly string[],
): AsyncGenerator<string> {
  yield* head;
  yield* lines;
  yield* foot;
}
