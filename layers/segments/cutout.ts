import { assertSameFrame, type SegmentMap } from "./segment-map.js";
import type { SegmentRow } from "./table.js";

/** A segment cut out of its image, as large as its box. */
export interface Cutout {
  readonly width: number;
  readonly height: number;
  /** Interleaved RGBA: the image's colours and 255 inside the segment, four zeros outside, so that nothing else leaks out. */
  readonly rgba: Uint8Array;
}

/**
 * @param rgb interleaved RGB of the map's frame
 * @throws ClustsegError SEGMENT_MAP_INVALID when `rgb` has another size
 */
export function cutout(map: SegmentMap, { id, bbox }: SegmentRow, rgb: Uint8Array): Cutout {
  assertSameFrame(map, rgb);
  const [left, top, width, height] = bbox;
  const rgba = new Uint8Array(4 * width * height);
  for (let y = 0, to = 0; y < height; y++) {
    const row = (top + y) * map.width + left;
    for (let i = row; i < row + width; i++, to += 4) {
      if (map.ids[i] !== id) continue;
      rgba[to] = rgb[3 * i]!;
      rgba[to + 1] = rgb[3 * i + 1]!;
      rgba[to + 2] = rgb[3 * i + 2]!;
      rgba[to + 3] = 255;
    }
  }
  return { width, height, rgba };
}

/** "0012-traffic_light.png": the segment's id and, if it has a class, that in letters that any file system and shell takes. */
export function cutoutName(id: number, className?: string): string {
  const number = String(id).padStart(4, "0");
  if (className === undefined) return `${number}.png`;
  const safe = className.replaceAll(/[^A-Za-z0-9-]+/g, "_").slice(0, 60);
  return `${number}-${safe === "" ? "_" : safe}.png`;
}
