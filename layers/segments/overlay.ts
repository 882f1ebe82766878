import { boundaryMask, thickenMask } from "./boundaries.js";
import { assertSameFrame, type SegmentMap } from "./segment-map.js";

/** Red, green, blue, each 0..255. */
export type Rgb = readonly [red: number, green: number, blue: number];

export interface OverlayOptions {
  /** @default the first of a few loud colours that stands out from this image, see `readableColor` */
  readonly color?: Rgb;
  /** Width of the lines in pixels. @default grows with the image, see `lineThickness` */
  readonly thickness?: number;
}

/**
 * Draws the segments' boundaries over the image.
 *
 * @param rgb interleaved RGB of the map's frame; left as it is
 * @returns a new interleaved RGB picture of the same size
 * @throws ClustsegError SEGMENT_MAP_INVALID when `rgb` has another size
 */
export function overlayBoundaries(map: SegmentMap, rgb: Uint8Array, options: OverlayOptions = {}): Uint8Array {
  assertSameFrame(map, rgb);
  const [red, green, blue] = options.color ?? readableColor(rgb);
  const thickness = Math.max(1, Math.round(options.thickness ?? lineThickness(map.width, map.height)));
  const lines = thickenMask(boundaryMask(map), map.width, map.height, thickness);
  const picture = new Uint8Array(rgb);
  for (let i = 0, c = 0; i < lines.length; i++, c += 3) {
    if (lines[i] === 0) continue;
    picture[c] = red;
    picture[c + 1] = green;
    picture[c + 2] = blue;
  }
  return picture;
}

export interface SegmentOverlayOptions {
  /** How much of a segment's colour covers the image: 0 nothing, 1 all. @default 0.5 */
  readonly opacity?: number;
  /** Width of the outlines in pixels. @default grows with the image, see `lineThickness` */
  readonly thickness?: number;
}

/**
 * Lays each segment's colour over the image, and its outline in the full colour; pixels of no segment, and of those without a
 * colour, stay as they are.
 *
 * @param rgb interleaved RGB of the map's frame; left as it is
 * @param colors of the segments, entry `id` (`segmentColors`)
 * @returns a new interleaved RGB picture of the same size
 * @throws ClustsegError SEGMENT_MAP_INVALID when `rgb` has another size
 */
export function overlaySegments(
  map: SegmentMap,
  rgb: Uint8Array,
  colors: readonly (Rgb | undefined)[],
  options: SegmentOverlayOptions = {},
): Uint8Array {
  assertSameFrame(map, rgb);
  const { ids, width, height, segments } = map;
  const share = Math.round(256 * Math.min(1, Math.max(0, options.opacity ?? 0.5)));
  const thickness = Math.max(1, Math.round(options.thickness ?? lineThickness(width, height)));
  const lines = thickenMask(boundaryMask(map), width, height, thickness);
  const palette = new Uint8Array(3 * (segments + 1));
  const visible = new Uint8Array(segments + 1);
  for (let id = 1; id <= segments; id++) {
    const color = colors[id];
    if (color === undefined) continue;
    palette.set(color, 3 * id);
    visible[id] = 1;
  }
  const picture = new Uint8Array(rgb);
  for (let i = 0; i < ids.length; i++) {
    let id = ids[i]!;
    if (visible[id] === 0 && lines[i] === 1) {
      // The border with what has no colour is drawn by the segment that has one, wherever the line falls.
      const right = (i + 1) % width === 0 ? 0 : ids[i + 1]!;
      id = visible[right] === 1 ? right : (ids[i + width] ?? 0);
    }
    if (visible[id] === 0) continue;
    const own = lines[i] === 1 ? 256 : share;
    for (let c = 3 * i, p = 3 * id; c < 3 * i + 3; c++, p++) {
      picture[c] = (palette[p]! * own + picture[c]! * (256 - own) + 128) >> 8;
    }
  }
  return picture;
}

/** One pixel of line for each 800 of the longer side, so that lines survive when a large picture is shown small. */
export function lineThickness(width: number, height: number): number {
  return Math.max(1, Math.round(Math.max(width, height) / 800));
}

const LOUD_COLORS: readonly [Rgb, ...Rgb[]] = [
  [255, 255, 0],
  [0, 255, 255],
  [255, 0, 0],
  [0, 0, 255],
  [255, 0, 255],
];
/** A line may be lost on this share of the image before another colour is tried. */
const LOST_SHARE = 0.02;
/** Squared contrast under which a thin line is hard to see. */
const WEAK_CONTRAST = 60 * 60;
const SAMPLES = 16_384;

/** The first loud colour that is weak on hardly any pixel of the image (a sample of it), else the one weak on fewest. */
export function readableColor(rgb: Uint8Array): Rgb {
  const pixels = Math.floor(rgb.length / 3);
  const step = Math.max(1, Math.floor(pixels / SAMPLES));
  let best = LOUD_COLORS[0];
  let fewest = Number.POSITIVE_INFINITY;
  for (const color of LOUD_COLORS) {
    let weak = 0;
    for (let i = 0; i < pixels; i += step) {
      if (contrast(color, rgb[i * 3]!, rgb[i * 3 + 1]!, rgb[i * 3 + 2]!) < WEAK_CONTRAST) weak++;
    }
    if (weak * step <= LOST_SHARE * pixels) return color;
    if (weak < fewest) {
      fewest = weak;
      best = color;
    }
  }
  return best;
}

/** Squared distance in YCbCr (BT.601): thin lines are seen by lightness, and by hue far less. */
function contrast(color: Rgb, red: number, green: number, blue: number): number {
  const r = color[0] - red;
  const g = color[1] - green;
  const b = color[2] - blue;
  const luma = 0.299 * r + 0.587 * g + 0.114 * b;
  const cb = 0.564 * (b - luma);
  const cr = 0.713 * (r - luma);
  return luma * luma + (cb * cb + cr * cr) / 8;
}
