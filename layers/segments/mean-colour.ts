import type { SegmentMap } from "./segment-map.js";
import { assertTableOf, type SegmentRow } from "./table.js";

/**
 * The image as its segments alone tell it: each pixel in the mean colour of its segment; pixels of no segment are black.
 *
 * @param rows the map's own table, in order of id (`segmentTable`)
 * @returns interleaved RGB of the map's frame
 * @throws ClustsegError SEGMENT_MAP_INVALID when the table belongs to another map
 */
export function meanColorPicture(map: SegmentMap, rows: readonly SegmentRow[]): Uint8Array {
  assertTableOf(map, rows);
  const palette = new Uint8Array((map.segments + 1) * 3);
  for (const row of rows) palette.set(row.color, row.id * 3);
  const { ids } = map;
  const picture = new Uint8Array(ids.length * 3);
  for (let i = 0, c = 0; i < ids.length; i++, c += 3) {
    const p = ids[i]! * 3;
    picture[c] = palette[p]!;
    picture[c + 1] = palette[p + 1]!;
    picture[c + 2] = palette[p + 2]!;
  }
  return picture;
}
