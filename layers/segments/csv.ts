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

export interface CsvOptions {
  /** Adds a first column `image` that holds this name in every row, always quoted. @default no such column */
  readonly image?: string;
  /** @default true */
  readonly header?: boolean;
}

/** A row as read back; `image` is there when the file has that column. */
export interface CsvSegmentRow extends SegmentRow {
  readonly image?: string;
}

/** The segment table as CSV (RFC 4180 quoting; lines end in a bare newline). */
export function segmentsToCsv(rows: readonly SegmentRow[], options: CsvOptions = {}): string {
  const prefix = options.image === undefined ? "" : `${quoted(options.image)},`;
  const head = options.image === undefined ? COLUMNS : ["image", ...COLUMNS];
  const lines = options.header === false ? [] : [head.join(",")];
  for (const { id, area, bbox, centroid, color } of rows) {
    lines.push(`${prefix}${id},${area},${bbox.join(",")},${centroid.join(",")},${color.join(",")}`);
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
  const expected = named ? ["image", ...COLUMNS] : [...COLUMNS];
  if (head === undefined || head.fields.join() !== expected.join()) {
    throw invalid(1, `the header is not ${COLUMNS.join(",")}`);
  }
  return records.map(({ fields, line }) => {
    if (fields.length !== expected.length) throw invalid(line, `${fields.length} fields instead of ${expected.length}`);
    const values = fields.slice(named ? 1 : 0).map((field) => {
      if (!/^\d+(\.\d+)?$/.test(field)) throw invalid(line, `"${field}" is not a number`);
      return Number(field);
    });
    const [id, area, x, y, width, height, cx, cy, red, green, blue] = values;
    const row: SegmentRow = {
      id: id!,
      area: area!,
      bbox: [x!, y!, width!, height!],
      centroid: [cx!, cy!],
      color: [red!, green!, blue!],
    };
    return named ? { image: fields[0]!, ...row } : row;
  });
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
