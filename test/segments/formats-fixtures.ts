import { readFileSync } from "node:fs";
import { type SegmentMap, segmentMapFromIds } from "../../layers/segments/segment-map.js";
import { type SegmentRow, segmentTable } from "../../layers/segments/table.js";

/**
 * What pycocotools, and a second program for the other formats, made of the same maps: see training/tests/formats_cases.py.
 * A test over there makes the files again and compares.
 */
export function readFixture<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(`./fixtures/formats/${file}`, import.meta.url), "utf8")) as T;
}

export interface MapCase {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly ids: readonly number[];
}

/** A map and the text of one file of its result. */
export interface TextCase extends MapCase {
  readonly file_name: string;
  readonly text: string;
}

export function mapOf({ ids, width, height }: MapCase): SegmentMap {
  return segmentMapFromIds(Uint16Array.from(ids), width, height);
}

/** The map's table over the picture that the fixtures have: byte n of its RGB is 37 n modulo 256. */
export function rowsOf(map: SegmentMap): SegmentRow[] {
  return segmentTable(
    map,
    Uint8Array.from({ length: map.ids.length * 3 }, (_, n) => (37 * n) % 256),
  );
}
