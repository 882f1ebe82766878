import { type Paint, paintOf, type Rgb } from "../draw/colours.js";
import { isNumber, isRecord, isRgb, isText } from "./read.js";

/** A result's metadata.json, as far as it is shown. */
export interface Result {
  readonly width: number;
  readonly height: number;
  readonly task: string;
  readonly model: string;
  readonly parameters: readonly (readonly [name: string, value: string])[];
  readonly notes: readonly string[];
  /** Row i is segment i + 1. */
  readonly segments: readonly Segment[];
}

export interface Segment {
  readonly id: number;
  /** Pixels. */
  readonly area: number;
  readonly name: string | undefined;
  readonly categoryId: number | undefined;
  readonly isThing: boolean;
  readonly score: number | undefined;
  /** What its class is drawn in. */
  readonly color: Paint | undefined;
  readonly meanColor: Rgb | undefined;
}

/** @throws Error when it is not the metadata of a result */
export function readResult(document: unknown): Result {
  if (isRecord(document) && document["schema"] === "clustseg.claim/1")
    throw new Error("This result is being written just now: open it again in a moment.");
  if (!isRecord(document) || document["schema"] !== "clustseg.result/1")
    throw new Error("metadata.json is of another kind.");
  const { frame, model, task, parameters, segments_info: rows, categories } = document;
  if (!isRecord(frame) || !isNumber(frame["width"]) || !isNumber(frame["height"]) || !Array.isArray(rows))
    throw new Error("metadata.json lacks the frame or the segments.");
  const classes = new Map<unknown, { name: string; color: Paint | undefined }>();
  for (const row of Array.isArray(categories) ? categories : []) {
    if (!isRecord(row) || !isText(row["name"])) continue;
    classes.set(row["id"], { name: row["name"], color: isRgb(row["color"]) ? paintOf(row["color"]) : undefined });
  }
  return {
    width: frame["width"],
    height: frame["height"],
    task: isText(task) ? task : "",
    model: isRecord(model) ? `${model["name"]} ${model["version"]}` : "",
    parameters: isRecord(parameters) ? Object.entries(parameters).map(([name, value]) => [name, String(value)]) : [],
    notes: Array.isArray(frame["notes"]) ? frame["notes"].filter(isText) : [],
    segments: rows.map((row, index) => segmentOf(row, index + 1, classes)),
  };
}

function segmentOf(
  row: unknown,
  id: number,
  classes: ReadonlyMap<unknown, { name: string; color: Paint | undefined }>,
): Segment {
  if (!isRecord(row)) throw new Error(`metadata.json: segment ${id} is damaged.`);
  const { area, category_id, isthing, score, mean_color } = row;
  const known = classes.get(category_id);
  const numbered = isNumber(category_id) ? `class ${category_id}` : undefined;
  return {
    id,
    area: isNumber(area) ? area : 0,
    name: known?.name ?? numbered,
    categoryId: isNumber(category_id) ? category_id : undefined,
    isThing: isthing === true,
    score: isNumber(score) ? score : undefined,
    color: known?.color,
    meanColor: isRgb(mean_color) ? mean_color : undefined,
  };
}
