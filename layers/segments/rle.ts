import { ClustsegError } from "./errors.js";
import type { SegmentMap } from "./segment-map.js";

/**
 * A mask as COCO's compressed RLE, to the byte as pycocotools writes it (cocoapi, common/maskApi.c): lengths of runs down the
 * columns, from the left, zeros first; each as its difference to the length two places before (from the fourth on); each
 * difference in groups of five bits, lowest first, with bit 6 for "more follows", plus 48 as ASCII.
 */
export interface CocoRle {
  readonly size: readonly [height: number, width: number];
  readonly counts: string;
}

/** A length of 32 bits takes at most seven groups of five. */
const MAX_GROUPS = 7;
/** Lengths are counted in 32 bits with a sign, as others read them. */
const MAX_PIXELS = 2 ** 31 - 1;

/**
 * The RLE of every segment, in order of id: element `i` is segment `i + 1`. One pass over the pixels, whatever the number of
 * segments; time and memory are linear in pixels and runs.
 *
 * @throws ClustsegError SEGMENT_MAP_INVALID for 2^31 pixels or more
 */
export function segmentRles(map: SegmentMap): CocoRle[] {
  const { width, height, segments } = map;
  const pixels = pixelsOf(width, height);
  const { starts, ids, count } = columnRuns(map);

  // Runs sorted by segment (a counting sort, so they stay in order): segment `id` has runs[ends[id - 1] .. ends[id]].
  const ends = new Int32Array(segments + 1);
  for (let run = 0; run < count; run++) ends[ids[run]!] = ends[ids[run]!]! + 1;
  ends[0] = 0;
  let longest = 0;
  for (let id = 1; id <= segments; id++) {
    if (ends[id]! > longest) longest = ends[id]!;
    ends[id] = ends[id]! + ends[id - 1]!;
  }
  const next = new Int32Array(segments + 1);
  for (let id = 1; id <= segments; id++) next[id] = ends[id - 1]!;
  const runs = new Int32Array(ends[segments]!);
  for (let run = 0; run < count; run++) {
    const id = ids[run]!;
    if (id === 0) continue;
    runs[next[id]!] = run;
    next[id] = next[id]! + 1;
  }

  const size = [height, width] as const;
  const lengths = new Int32Array(2 * longest + 1);
  const text = new CountsText(8 * runs.length + 64);
  const cuts = new Float64Array(segments + 1);
  for (let id = 1; id <= segments; id++) {
    let end = 0;
    let n = 0;
    for (let r = ends[id - 1]!; r < ends[id]!; r++) {
      const run = runs[r]!;
      const start = starts[run]!;
      lengths[n++] = start - end;
      end = starts[run + 1]!;
      lengths[n++] = end - start;
    }
    if (end < pixels) lengths[n++] = pixels - end;
    text.add(lengths, n);
    cuts[id] = text.length;
  }
  // One string, cut: decoding each by itself costs more than all the rest where segments are many.
  const all = text.toString();
  return Array.from({ length: segments }, (_, i) => ({ size, counts: all.slice(cuts[i]!, cuts[i + 1]!) }));
}

/**
 * The RLE of the pixels that have one id (0: of no segment).
 *
 * @throws ClustsegError SEGMENT_MAP_INVALID for 2^31 pixels or more
 */
export function segmentRle(map: SegmentMap, id: number): CocoRle {
  const { width, height, ids } = map;
  const pixels = pixelsOf(width, height);
  const lengths: number[] = [];
  let inside = false;
  let start = 0;
  for (let x = 0, at = 0; x < width; x++) {
    for (let i = x; i < ids.length; i += width, at++) {
      if ((ids[i] === id) === inside) continue;
      lengths.push(at - start);
      start = at;
      inside = !inside;
    }
  }
  lengths.push(pixels - start);
  const text = new CountsText(4 * lengths.length);
  text.add(lengths, lengths.length);
  return { size: [height, width], counts: text.toString() };
}

/**
 * The run lengths of an RLE: zeros, ones, zeros, … down the columns.
 *
 * @throws ClustsegError SEGMENT_RLE_INVALID when it is cut short, holds other characters, or does not fill its size
 */
export function rleLengths({ size: [height, width], counts }: CocoRle): Int32Array {
  const pixels = pixelsOf(width, height);
  const lengths = new Int32Array(counts.length);
  let n = 0;
  let sum = 0;
  for (let at = 0; at < counts.length; ) {
    let value = 0;
    let shift = 0;
    let more = true;
    while (more) {
      const bits = counts.charCodeAt(at++) - 48;
      if (!(bits >= 0 && bits < 64)) throw invalid(`the string ends in a number, or holds what is none, at ${at - 1}`);
      if (shift >= 5 * MAX_GROUPS) throw invalid(`a number before character ${at} has more than 32 bits`);
      value |= (bits & 31) << shift;
      shift += 5;
      more = (bits & 32) !== 0;
      if (!more && (bits & 16) !== 0 && shift < 32) value |= -1 << shift;
    }
    if (n > 2) value += lengths[n - 2]!;
    if (value < 0 || value > MAX_PIXELS) throw invalid(`run ${n} has the length ${value}`);
    lengths[n++] = value;
    sum += value;
  }
  if (sum !== pixels) throw invalid(`its runs have ${sum} pixels, its size ${pixels}`);
  return lengths.subarray(0, n);
}

/** The mask itself: a byte for each pixel, row-major, 1 inside. Throws as `rleLengths`. */
export function rleMask(rle: CocoRle): Uint8Array {
  const [height, width] = rle.size;
  const mask = new Uint8Array(width * height);
  for (const [start, end] of runsInside(rle)) {
    for (let at = start; at < end; at++) mask[(at % height) * width + Math.floor(at / height)] = 1;
  }
  return mask;
}

/** Pixels inside. Throws as `rleLengths`. */
export function rleArea(rle: CocoRle): number {
  let area = 0;
  for (const [start, end] of runsInside(rle)) area += end - start;
  return area;
}

/** x, y, width and height of the smallest box around the mask, four zeros if it is empty. Throws as `rleLengths`. */
export function rleBbox(rle: CocoRle): readonly [x: number, y: number, width: number, height: number] {
  const [height, width] = rle.size;
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (const [start, end] of runsInside(rle)) {
    const first = Math.floor(start / height);
    const last = Math.floor((end - 1) / height);
    left = Math.min(left, first);
    right = last;
    // A run that goes on in the next column covers this one's bottom and that one's top.
    top = Math.min(top, first < last ? 0 : start % height);
    bottom = Math.max(bottom, first < last ? height - 1 : (end - 1) % height);
  }
  return right < 0 ? [0, 0, 0, 0] : [left, top, right - left + 1, bottom - top + 1];
}

/** Start and end (exclusive) of each run of ones, counted down the columns. */
function* runsInside(rle: CocoRle): Generator<readonly [start: number, end: number]> {
  const lengths = rleLengths(rle);
  let at = 0;
  for (let i = 0; i < lengths.length; i++) {
    const end = at + lengths[i]!;
    if (i % 2 === 1 && end > at) yield [at, end];
    at = end;
  }
}

interface ColumnRuns {
  /** Where each run begins, counted down the columns; one more says where the last ends. */
  readonly starts: Int32Array;
  readonly ids: Uint16Array;
  readonly count: number;
}

/**
 * Runs of equal ids down the columns; a run goes on from the bottom of a column to the top of the next. The pixels are read
 * along the rows, as they lie in memory: a run begins where a pixel differs from the one above, and only these few are then
 * sorted by column (a counting sort; within a column they come from top to bottom already).
 */
function columnRuns({ width, height, ids }: SegmentMap): ColumnRuns {
  let columns = new Int32Array(4 * width);
  const rowEnds = new Int32Array(height);
  let count = 0;
  for (let x = 0, bottom = (height - 1) * width; x < width; x++) {
    if (x === 0 || ids[x] !== ids[bottom + x - 1]) columns[count++] = x;
  }
  rowEnds[0] = count;
  for (let y = 1, i = width; y < height; y++) {
    if (columns.length < count + width) columns = grown(columns, new Int32Array(2 * (count + width)));
    for (let x = 0; x < width; x++, i++) {
      if (ids[i] !== ids[i - width]) columns[count++] = x;
    }
    rowEnds[y] = count;
  }

  const next = new Int32Array(width + 1);
  for (let run = 0; run < count; run++) next[columns[run]! + 1] = next[columns[run]! + 1]! + 1;
  for (let x = 1; x <= width; x++) next[x] = next[x]! + next[x - 1]!;
  const starts = new Int32Array(count + 1);
  const of = new Uint16Array(count);
  for (let y = 0, run = 0; y < height; y++) {
    for (; run < rowEnds[y]!; run++) {
      const x = columns[run]!;
      const place = next[x]!;
      next[x] = place + 1;
      starts[place] = x * height + y;
      of[place] = ids[y * width + x]!;
    }
  }
  starts[count] = ids.length;
  return { starts, ids: of, count };
}

/** The strings of run lengths, one after another in a buffer that grows. */
class CountsText {
  length = 0;
  #bytes: Uint8Array<ArrayBuffer>;

  constructor(room: number) {
    this.#bytes = new Uint8Array(room);
  }

  add(lengths: ArrayLike<number>, n: number): void {
    const most = this.length + MAX_GROUPS * n;
    if (most > this.#bytes.length) this.#bytes = grown(this.#bytes, new Uint8Array(2 * most));
    const bytes = this.#bytes;
    let at = this.length;
    for (let i = 0; i < n; i++) {
      let rest = i > 2 ? lengths[i]! - lengths[i - 2]! : lengths[i]!;
      let more = true;
      while (more) {
        const bits = rest & 31;
        rest >>= 5;
        more = (bits & 16) !== 0 ? rest !== -1 : rest !== 0;
        bytes[at++] = (more ? bits | 32 : bits) + 48;
      }
    }
    this.length = at;
  }

  toString(): string {
    return new TextDecoder().decode(this.#bytes.subarray(0, this.length));
  }
}

function grown<T extends { set(from: T): void }>(from: T, into: T): T {
  into.set(from);
  return into;
}

function pixelsOf(width: number, height: number): number {
  const pixels = width * height;
  if (Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0 && pixels <= MAX_PIXELS)
    return pixels;
  throw new ClustsegError("SEGMENT_MAP_INVALID", `An RLE cannot have ${width} x ${height} pixels`, {
    hint: "Sizes are whole and positive, and their product is below 2^31.",
  });
}

function invalid(what: string): ClustsegError {
  return new ClustsegError("SEGMENT_RLE_INVALID", `Not a compressed RLE: ${what}`, {
    hint: "Give counts as pycocotools writes them, with the size [height, width] they belong to.",
  });
}
