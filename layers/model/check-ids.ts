import { createInflate } from "node:zlib";
import { checkPng, invalidPng, type PngStructure } from "./png-structure.js";

/** What segments.png is held against. */
export interface IdsExpectation {
  readonly frame: { readonly width: number; readonly height: number };
  readonly segments: number;
  /** Of the ids 1 to `segments`, in order. */
  readonly rows: readonly {
    readonly area: number;
    /** [x, y, width, height] */
    readonly bbox: readonly [x: number, y: number, width: number, height: number];
  }[];
}

const name = "segments.png";
/** The decoder's own limit: no honest result has more pixels. */
const maxPixels = 268_402_689;

/**
 * Reads every pixel of a segments.png and holds it against the list of segments: ids 0 to n, and area and box of each.
 * Streamed, row by row: memory is some rows and the list, whatever the file claims; what inflates to more than the frame has
 * is refused where it does.
 *
 * @throws ClustsegError SEGMENT_MAP_INVALID
 */
export async function checkIds(file: Uint8Array, { frame, segments, rows }: IdsExpectation): Promise<void> {
  if (frame.width * frame.height > maxPixels) throw invalidPng(name, `the frame has more than ${maxPixels} pixels`);
  const png = checkPng(name, file, frame);
  const depth = segments <= 255 ? 8 : 16;
  if (png.colorType !== 0 || png.depth !== depth || png.interlaced) {
    throw invalidPng(name, `it is not a plain grey PNG of ${depth} bits`);
  }
  const tally = new SegmentTally(segments, frame.width);
  await eachRow(png, (row, y) => tally.add(row, y));
  if (rows.length !== segments) throw invalidPng(name, "the list of segments is not as long as said");
  for (const [index, row] of rows.entries()) {
    const problem = tally.compare(index + 1, row);
    if (problem !== undefined) throw invalidPng(name, problem);
  }
}

/** Area and box of each id, while rows come. */
class SegmentTally {
  readonly #segments: number;
  readonly #width: number;
  readonly #areas: Uint32Array;
  /** left, top, right, bottom, the last two inclusive. */
  readonly #boxes: Uint32Array;

  constructor(segments: number, width: number) {
    this.#segments = segments;
    this.#width = width;
    this.#areas = new Uint32Array(segments + 1);
    this.#boxes = new Uint32Array((segments + 1) * 4);
  }

  add(row: Uint8Array, y: number): void {
    const wide = row.length > this.#width;
    const idAt = (x: number) => (wide ? row[2 * x]! * 256 + row[2 * x + 1]! : row[x]!);
    for (let x = 0; x < this.#width; ) {
      const id = idAt(x);
      let end = x + 1;
      while (end < this.#width && idAt(end) === id) end++;
      if (id > this.#segments) throw invalidPng(name, `pixel ${x}, ${y} has the id ${id} of ${this.#segments}`);
      this.#addRun(id, x, end, y);
      x = end;
    }
  }

  #addRun(id: number, start: number, end: number, y: number): void {
    const [areas, boxes, at] = [this.#areas, this.#boxes, id * 4];
    if (areas[id] === 0) boxes.set([start, y, end - 1, y], at);
    else {
      if (start < boxes[at]!) boxes[at] = start;
      if (end - 1 > boxes[at + 2]!) boxes[at + 2] = end - 1;
      boxes[at + 3] = y;
    }
    areas[id] = areas[id]! + end - start;
  }

  /** What is wrong, or undefined. */
  compare(id: number, { area, bbox }: IdsExpectation["rows"][number]): string | undefined {
    if (this.#areas[id] !== area) return `segment ${id} has ${this.#areas[id]} pixels, not ${area}`;
    const [left, top, right, bottom] = this.#boxes.subarray(id * 4, id * 4 + 4) as unknown as [
      number,
      number,
      number,
      number,
    ];
    const found = [left, top, right - left + 1, bottom - top + 1];
    return found.join() === bbox.join() ? undefined : `segment ${id} lies in ${found.join()}, not in ${bbox.join()}`;
  }
}

/** Inflates a grey PNG and undoes its filters. @param use is given a row that it must not keep */
async function eachRow(png: PngStructure, use: (row: Uint8Array, y: number) => void): Promise<void> {
  const pixelBytes = png.depth / 8;
  const rowBytes = png.width * pixelBytes;
  let current = new Uint8Array(rowBytes + 1);
  let previous = new Uint8Array(rowBytes + 1);
  let filled = 0;
  let y = 0;
  const inflate = createInflate();
  const total = png.data.reduce((sum, piece) => sum + piece.length, 0);
  const closed = new Promise<void>((resolve) => inflate.once("close", resolve));
  const feed = (async () => {
    for (const piece of png.data) {
      if (inflate.destroyed) return;
      if (inflate.write(piece)) continue;
      await Promise.race([closed, new Promise<void>((resolve) => inflate.once("drain", resolve))]);
    }
    inflate.end();
  })();
  try {
    for await (const chunk of inflate as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; ) {
        if (y === png.height) throw invalidPng(name, "it inflates to more pixels than it has");
        const taken = Math.min(chunk.length - at, rowBytes + 1 - filled);
        current.set(chunk.subarray(at, at + taken), filled);
        at += taken;
        filled += taken;
        if (filled <= rowBytes) continue;
        unfilter(current, previous, pixelBytes);
        use(current.subarray(1), y++);
        [current, previous] = [previous, current];
        filled = 0;
      }
    }
  } catch (error) {
    throw error instanceof Error && "code" in error && String(error.code).startsWith("Z_")
      ? invalidPng(name, "its pixels cannot be inflated", error)
      : error;
  } finally {
    inflate.destroy();
    await feed;
  }
  if (y < png.height || filled > 0) throw invalidPng(name, "it inflates to fewer pixels than it has");
  if (inflate.bytesWritten !== total) throw invalidPng(name, "there are bytes behind its pixels");
}

/** ISO/IEC 15948, clause 9. In place; byte 0 of a row names its filter. */
function unfilter(row: Uint8Array, above: Uint8Array, pixelBytes: number): void {
  const filter = row[0]!;
  if (filter === 0) return;
  if (filter > 4) throw invalidPng(name, `it has a row filter ${filter}`);
  for (let i = 1; i < row.length; i++) {
    const a = i > pixelBytes ? row[i - pixelBytes]! : 0;
    const b = above[i]!;
    const c = i > pixelBytes ? above[i - pixelBytes]! : 0;
    const predicted = filter === 1 ? a : filter === 2 ? b : filter === 3 ? (a + b) >> 1 : paeth(a, b, c);
    row[i] = row[i]! + predicted;
  }
}

function paeth(a: number, b: number, c: number): number {
  const p = a + b - c;
  const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}
