/**
 * Grey PNGs of 8 or 16 bits (ISO/IEC 15948), which is what segments.png and steps.png are. The browser's own decoder would
 * do, were it not that a canvas gives back 8 bits a channel: ids above 255 would be lost.
 */

/** The values as they are in the file, row-major; nothing is scaled. */
export interface GreyImage {
  readonly width: number;
  readonly height: number;
  readonly depth: 8 | 16;
  readonly values: Uint16Array<ArrayBuffer>;
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Above what a result can hold; a file that claims more is not one of ours, and would only take all memory. */
const MAX_PIXELS = 400_000_000;

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: 8 | 16;
}

/** @throws Error, with a sentence for people, when it is not such a PNG or is damaged */
export async function decodeGreyPng(bytes: Uint8Array<ArrayBuffer>): Promise<GreyImage> {
  const { header, deflated } = readChunks(bytes);
  const { width, height, depth } = header;
  const rowBytes = width * (depth / 8);
  const rows = await inflate(deflated, (rowBytes + 1) * height);
  unfilter(rows, rowBytes, height, depth / 8);
  return { ...header, values: depth === 8 ? eightBit(rows, width, height) : sixteenBit(rows, width, height) };
}

function readChunks(bytes: Uint8Array<ArrayBuffer>): { header: Header; deflated: Uint8Array<ArrayBuffer>[] } {
  if (SIGNATURE.some((byte, i) => bytes[i] !== byte)) throw new Error("This is not a PNG.");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const deflated: Uint8Array<ArrayBuffer>[] = [];
  let header: Header | undefined;
  for (let at = SIGNATURE.length; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const start = at + 8;
    if (start + length + 4 > bytes.length) break;
    const type = String.fromCharCode(...bytes.subarray(at + 4, start));
    if (type === "IHDR") header = readHeader(view, start, length);
    else if (type === "IDAT") deflated.push(bytes.subarray(start, start + length));
    else if (type === "IEND" && header !== undefined) return { header, deflated };
    at = start + length + 4;
  }
  throw new Error("The PNG is cut short.");
}

function readHeader(view: DataView, at: number, length: number): Header {
  if (length !== 13) throw new Error("The PNG's header is damaged.");
  const width = view.getUint32(at);
  const height = view.getUint32(at + 4);
  const [depth, color, compression, filter, interlace] = [8, 9, 10, 11, 12].map((i) => view.getUint8(at + i));
  if (color !== 0 || (depth !== 8 && depth !== 16)) throw new Error("The PNG is not grey with 8 or 16 bits.");
  if (compression !== 0 || filter !== 0 || interlace !== 0) throw new Error("The PNG is interlaced, or of a new kind.");
  if (width === 0 || height === 0 || width * height > MAX_PIXELS) throw new Error("The PNG's size is out of range.");
  return { width, height, depth };
}

/** zlib's format is what the browser calls "deflate"; it checks the sum at the end. */
async function inflate(deflated: Uint8Array<ArrayBuffer>[], size: number): Promise<Uint8Array<ArrayBuffer>> {
  const out = new Uint8Array(size);
  const reader = new Blob(deflated).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  let at = 0;
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new Error("The PNG's data are damaged.");
    });
    if (done) break;
    if (at + value.length > size) {
      await reader.cancel();
      throw new Error("The PNG holds more than its header says.");
    }
    out.set(value, at);
    at += value.length;
  }
  if (at < size) throw new Error("The PNG holds less than its header says.");
  return out;
}

/** Undoes the rows' filters in place. A row is a byte that names its filter, then `rowBytes`; `step` is the bytes a pixel. */
function unfilter(rows: Uint8Array, rowBytes: number, height: number, step: number): void {
  const none = new Uint8Array(rowBytes);
  for (let y = 0; y < height; y++) {
    const start = y * (rowBytes + 1) + 1;
    const row = rows.subarray(start, start + rowBytes);
    const above = y === 0 ? none : rows.subarray(start - rowBytes - 1, start - 1);
    switch (rows[start - 1]) {
      case 0:
        break;
      case 1:
        for (let i = step; i < rowBytes; i++) row[i]! += row[i - step]!;
        break;
      case 2:
        for (let i = 0; i < rowBytes; i++) row[i]! += above[i]!;
        break;
      case 3:
        for (let i = 0; i < rowBytes; i++) row[i]! += ((i < step ? 0 : row[i - step]!) + above[i]!) >> 1;
        break;
      case 4:
        for (let i = 0; i < rowBytes; i++) {
          row[i]! += i < step ? above[i]! : paeth(row[i - step]!, above[i]!, above[i - step]!);
        }
        break;
      default:
        throw new Error("The PNG has a filter that does not exist.");
    }
  }
}

/** Of left, upper and upper left, the one nearest to left + upper - upper left. */
function paeth(left: number, upper: number, corner: number): number {
  const a = Math.abs(upper - corner);
  const b = Math.abs(left - corner);
  const c = Math.abs(left + upper - corner - corner);
  if (a <= b && a <= c) return left;
  return b <= c ? upper : corner;
}

function eightBit(rows: Uint8Array, width: number, height: number): Uint16Array<ArrayBuffer> {
  const values = new Uint16Array(width * height);
  for (let y = 0; y < height; y++) {
    const start = y * (width + 1) + 1;
    values.set(rows.subarray(start, start + width), y * width);
  }
  return values;
}

function sixteenBit(rows: Uint8Array, width: number, height: number): Uint16Array<ArrayBuffer> {
  const values = new Uint16Array(width * height);
  for (let y = 0, i = 0; y < height; y++) {
    let at = y * (width * 2 + 1) + 1;
    for (let x = 0; x < width; x++, at += 2) values[i++] = (rows[at]! << 8) | rows[at + 1]!;
  }
  return values;
}
