import { type Category, classedSegments } from "./categories.js";
import { ClustsegError } from "./errors.js";
import type { SegmentRow } from "./table.js";

const COLUMNS = [
  "id",
  "area",
  "x",
  "y",
  "width",
  "height",
  "centroid_x",
  "centroid_y",
  "red",
  "green",
  "blue",
] as const;
/** Of the tasks that have classes; at the end, so that readers by position find the others where they are. */
const CLASS_COLUMNS = ["category_id", "category", "isthing", "score"] as const;

export interface CsvOptions {
  /** Of the result: adds columns with class and score. @default none, as for superpixels */
  readonly categories?: readonly Category[];
  /** Adds a first column `image` that holds this name in every row, always quoted. @default no such column */
  readonly image?: string;
  /** @default true */
  readonly header?: boolean;
}

/** A row as read back; `image` is there when the file has that column, `category` when it has classes. */
export interface CsvSegmentRow extends SegmentRow {
  readonly image?: string;
  readonly category?: string;
}

/**
 * The segment table as CSV (RFC 4180 quoting; lines end in a bare newline).
 *
 * @throws ClustsegError SEGMENT_MAP_INVALID when a segment's class is none of the categories
 */
export function segmentsToCsv(rows: readonly SegmentRow[], options: CsvOptions = {}): string {
  const { image, categories = [] } = options;
  const prefix = image === undefined ? "" : `${quoted(image)},`;
  const lines = options.header === false ? [] : [columnsOf(image !== undefined, categories.length > 0).join(",")];
  for (const { row, category } of classedSegments(rows, categories)) {
    const { id, area, bbox, centroid, color, score } = row;
    const kind =
      categories.length === 0 ? "" : `,${category.id},${quoted(category.name)},${category.isthing},${score ?? ""}`;
    lines.push(`${prefix}${id},${area},${bbox.join(",")},${centroid.join(",")},${color.join(",")}${kind}`);
  }
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

/**
 * Reads what `segmentsToCsv` wrote (with its header), also after a spreadsheet saved it with CRLF.
 *
 * @throws ClustsegError SEGMENT_CSV_INVALID, with the line of the record
 */
export function segmentsFromCsv(text: string): CsvSegmentRow[] {
  const [head, ...records] = csvRecords(text);
  const named = head?.fields[0] === "image";
  const classed = head?.fields.at(-1) === CLASS_COLUMNS.at(-1);
  const expected = columnsOf(named, classed);
  if (head === undefined || head.fields.join() !== expected.join()) {
    throw invalid(1, `the header is not ${COLUMNS.join(",")}`);
  }
  return records.map(({ fields, line }) => {
    if (fields.length !== expected.length) throw invalid(line, `${fields.length} fields instead of ${expected.length}`);
    const own = fields.slice(named ? 1 : 0);
    const [id, area, x, y, width, height, cx, cy, red, green, blue] = own
      .slice(0, COLUMNS.length)
      .map((field) => numberOf(field, line));
    const row: SegmentRow = {
      id: id!,
      area: area!,
      bbox: [x!, y!, width!, height!],
      centroid: [cx!, cy!],
      color: [red!, green!, blue!],
    };
    const kind = classed ? classOf(own.slice(COLUMNS.length), line) : {};
    return { ...(named ? { image: fields[0]! } : {}), ...row, ...kind };
  });
}

function columnsOf(named: boolean, classed: boolean): string[] {
  return [...(named ? ["image"] : []), ...COLUMNS, ...(classed ? CLASS_COLUMNS : [])];
}

function classOf([id, category, isThing, score]: readonly string[], line: number): Partial<CsvSegmentRow> {
  // Spreadsheets write TRUE.
  const thing = isThing!.toLowerCase();
  if (thing !== "true" && thing !== "false") throw invalid(line, `"${isThing}" is neither true nor false`);
  const certain = score === "" ? {} : { score: numberOf(score!, line) };
  return { categoryId: numberOf(id!, line), category: category!, isThing: thing === "true", ...certain };
}

function numberOf(field: string, line: number): number {
  if (!/^\d+(\.\d+)?(e-\d+)?$/i.test(field)) throw invalid(line, `"${field}" is not a number`);
  return Number(field);
}

interface CsvRecord {
  readonly line: number;
  readonly fields: string[];
}

/** Field by field with a sticky pattern: a quoted name may hold commas, quotes and newlines. */
function csvRecords(text: string): CsvRecord[] {
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;
  const records: CsvRecord[] = [];
  let fields: string[] = [];
  let line = 1;
  let lineOfRecord = 1;
  while (field.lastIndex < text.length) {
    const match = field.exec(text);
    if (match === null) throw invalid(line, "a quote is not closed, or stands inside a field");
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? "");
    line += match[0].split("\n").length - 1;
    const end = match[3];
    if (end === ",") {
      if (field.lastIndex === text.length) fields.push("");
      else continue;
    }
    records.push({ line: lineOfRecord, fields });
    fields = [];
    lineOfRecord = line;
  }
  return records;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function invalid(line: number, what: string): ClustsegError {
  return new ClustsegError("SEGMENT_CSV_INVALID", `Line ${line} of the segment table: ${what}`, {
    hint: "Give a segments.csv as it was written, with its header.",
  });
}
