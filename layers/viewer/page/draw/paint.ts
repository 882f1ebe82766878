import type { Labels } from "./labels.js";
import type { Placement, Size } from "./view.js";

/**
 * Fills and outlines, painted at the resolution of the screen: so a line is as thin at any zoom, and what lies outside the
 * pane costs nothing. Colours are 32-bit words of ImageData, 0xAABBGGRR.
 */
export interface Look {
  /** Id -> the id it counts as: itself, or 0 for what is not shown. */
  readonly shown: Uint16Array;
  /** Id -> colour; of 0: what is nowhere a segment. */
  readonly fill: Uint32Array;
  /** Id -> colour of its pixels at a border: to the right or below, and to the left or above. */
  readonly light: Uint32Array;
  readonly dark: Uint32Array;
  /** Width of each of the two lines in pixels; 0 draws none. */
  readonly line: number;
}

const OUTSIDE = -1;

/** @param target of `pane`'s size; what was there is replaced */
export function paint(target: Uint32Array, pane: Size, labels: Labels, place: Placement, look: Look): void {
  target.fill(0);
  const { fill, light, dark, line } = look;
  const { width } = pane;
  const [fromX, toX] = pixelsOf(place.left, place.width, width);
  const [fromY, toY] = pixelsOf(place.top, place.height, pane.height);
  if (fromX >= toX || fromY >= toY) return;

  // Around the samples lie `line` that are outside, so that the inner loop asks no questions at the rim.
  const size = toX - fromX;
  const columns = new Int32Array(size);
  for (let i = 0; i < size; i++) columns[i] = sourceOf(fromX + i, place.left, place.width, labels.width);
  const rowOf = (y: number) => (y < fromY || y >= toY ? OUTSIDE : sourceOf(y, place.top, place.height, labels.height));
  const ring = Array.from({ length: 2 * line + 1 }, () => new Int32Array(size + 2 * line).fill(OUTSIDE));
  const at = (y: number) => ring[(y + ring.length) % ring.length]!;
  let sampled = Number.NaN;
  const sample = (y: number): void => {
    const row = rowOf(y);
    // Near, several rows of the screen show one of the picture.
    if (row === sampled) at(y).set(at(y - 1 + ring.length));
    else sampleRow(at(y), row, columns, labels, look.shown, line);
    sampled = ring.length > 1 ? row : Number.NaN;
  };
  for (let y = fromY - line; y < fromY + line; y++) sample(y);

  for (let y = fromY; y < toY; y++) {
    sample(y + line);
    const above = at(y - line);
    const row = at(y);
    const below = at(y + line);
    let out = y * width + fromX;
    for (let i = line; i < size + line; i++, out++) {
      const id = row[i]!;
      const right = row[i + line]!;
      const left = row[i - line]!;
      const lower = below[i]!;
      const upper = above[i]!;
      if (right === id && lower === id && left === id && upper === id) target[out] = fill[id]!;
      else if (differ(id, right) || differ(id, lower)) target[out] = light[id]!;
      else target[out] = differ(id, left) || differ(id, upper) ? dark[id]! : fill[id]!;
    }
  }
}

/** The pixels of a pane whose middle lies on the picture, as [first, behind the last]. */
function pixelsOf(start: number, size: number, room: number): [number, number] {
  return [Math.max(0, Math.ceil(start - 0.5)), Math.min(room, Math.ceil(start + size - 0.5))];
}

/** Which of `count` source pixels lies under the middle of pixel `at`. */
function sourceOf(at: number, start: number, size: number, count: number): number {
  return Math.min(count - 1, Math.max(0, Math.floor(((at + 0.5 - start) / size) * count)));
}

function sampleRow(
  out: Int32Array,
  row: number,
  columns: Int32Array,
  { ids, width }: Labels,
  shown: Uint16Array,
  line: number,
): void {
  if (row === OUTSIDE) {
    out.fill(OUTSIDE);
    return;
  }
  const base = row * width;
  for (let i = 0; i < columns.length; i++) out[i + line] = shown[ids[base + columns[i]!]!]!;
}

/** The picture's own rim is no border between segments. */
function differ(id: number, other: number): boolean {
  return id !== other && other !== OUTSIDE;
}

/** A look that shows one segment and nothing else: tinted, with a line on both sides of its border. */
export function markLook(id: number, tint: number, edge: number, line: number, largest: number): Look {
  const shown = new Uint16Array(largest + 1);
  const fill = new Uint32Array(largest + 1);
  const edges = new Uint32Array(largest + 1);
  if (id <= largest) shown[id] = id;
  fill[id] = tint;
  edges[id] = edge;
  edges[0] = edge;
  return { shown, fill, light: edges, dark: edges, line };
}
