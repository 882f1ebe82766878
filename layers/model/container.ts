/**
 * What an image file's outermost structure says, read without a decoder.
 *
 * libvips' messages cannot tell a file that was cut short from one that is damaged: they go through one buffer for the whole
 * process, so with several images at once a file's message may be another's. Codes must depend on the bytes alone.
 */

export type Container = "jpeg" | "png" | "webp" | "tiff" | "gif" | "avif" | "heic";

/** The format by its signature, or undefined if it is none that is read ("heic" is known so that it can be refused by name). */
export function containerOf(bytes: Uint8Array): Container | undefined {
  const text = latin1(bytes, 0, 16);
  if (text.startsWith("\xff\xd8\xff")) return "jpeg";
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return "webp";
  if (/^GIF8[79]a/.test(text)) return "gif";
  if (/^(II[*+]\0|MM\0[*+])/.test(text)) return "tiff";
  if (text.slice(4, 8) === "ftyp") {
    const brands = latin1(bytes, 8, Math.min(uint32(bytes, 0), 256));
    if (/avi[fs]/.test(brands)) return "avif";
    if (/hei[cxms]|hev[cx]|mif1|msf1/.test(brands)) return "heic";
  }
  return undefined;
}

/** Does the file end before its own structure does? False also where the structure makes no sense. */
export function endsEarly(bytes: Uint8Array, container: Container): boolean {
  switch (container) {
    case "jpeg":
      return jpegEndsEarly(bytes);
    case "png":
      return pngEndsEarly(bytes);
    case "webp":
      return bytes.length < 12 || uint32(bytes, 4, true) + 8 > bytes.length;
    case "gif":
      return gifEndsEarly(bytes);
    case "tiff":
      return tiffEndsEarly(bytes);
    default:
      return boxesEndEarly(bytes);
  }
}

/** ITU T.81: segments with their length up to the first scan, then an end-of-image marker somewhere. */
function jpegEndsEarly(bytes: Uint8Array): boolean {
  const startOfScan = 0xda;
  const endOfImage = 0xd9;
  let at = 2;
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== 0xff) return false;
    const marker = bytes[at + 1];
    if (marker === startOfScan) break;
    if (marker === 0xff) at += 1;
    else at += 2 + (bytes[at + 2]! << 8) + bytes[at + 3]!;
  }
  // Within a scan 0xff is always followed by 0 or a marker, so this finds no pixels.
  for (; at + 1 < bytes.length; at++) if (bytes[at] === 0xff && bytes[at + 1] === endOfImage) return false;
  return true;
}

/** ISO 15948: chunks of length, type, data and checksum, the last of type IEND. */
function pngEndsEarly(bytes: Uint8Array): boolean {
  let at = 8;
  while (at + 12 <= bytes.length) {
    if (latin1(bytes, at + 4, at + 8) === "IEND") return false;
    at += 12 + uint32(bytes, at);
  }
  return true;
}

/** GIF 89a: screen, then extensions (0x21) and images (0x2c) made of sub-blocks, then a trailer (0x3b). */
function gifEndsEarly(bytes: Uint8Array): boolean {
  const colors = (flags: number): number => ((flags & 0x80) === 0 ? 0 : 3 << ((flags & 7) + 1));
  let at = 13 + colors(bytes[10] ?? 0);
  while (at < bytes.length) {
    const kind = bytes[at];
    if (kind === 0x21) at += 2;
    else if (kind === 0x2c) at += 11 + colors(bytes[at + 9] ?? 0);
    else return false;
    while (at < bytes.length && bytes[at] !== 0) at += 1 + bytes[at]!;
    at += 1;
  }
  return true;
}

/** TIFF 6.0: the first directory, and the strips or tiles that it points to. BigTIFF is not looked into. */
function tiffEndsEarly(bytes: Uint8Array): boolean {
  const little = bytes[0] === 0x49;
  const long = (at: number): number => uint32(bytes, at, little);
  const short = (at: number): number => (little ? long(at) & 0xffff : long(at) >>> 16);
  if (bytes[2] === 0x2b || bytes[3] === 0x2b) return false;
  const directory = long(4);
  if (bytes.length < 8 || directory + 2 > bytes.length) return true;
  const entries = short(directory);
  if (directory + 2 + 12 * entries > bytes.length) return true;

  const values = new Map<number, readonly number[]>();
  const dataTags = [273, 279, 324, 325];
  for (let entry = 0, at = directory + 2; entry < entries; entry++, at += 12) {
    const [tag, type, count] = [short(at), short(at + 2), long(at + 4)];
    if (!dataTags.includes(tag) || (type !== 3 && type !== 4)) continue;
    const size = type === 3 ? 2 : 4;
    const first = count * size <= 4 ? at + 8 : long(at + 8);
    if (first + count * size > bytes.length) return true;
    values.set(
      tag,
      Array.from({ length: count }, (_, i) => (type === 3 ? short(first + 2 * i) : long(first + 4 * i))),
    );
  }
  const offsets = values.get(273) ?? values.get(324) ?? [];
  const counts = values.get(279) ?? values.get(325) ?? [];
  return offsets.some((offset, i) => offset + (counts[i] ?? 0) > bytes.length);
}

/** ISO 14496-12: boxes of length and type; 1 = a 64 bit length follows, 0 = up to the end of the file. */
function boxesEndEarly(bytes: Uint8Array): boolean {
  let at = 0;
  while (at + 8 <= bytes.length) {
    let length = uint32(bytes, at);
    if (length === 0) return false;
    if (length === 1) length = uint32(bytes, at + 8) * 2 ** 32 + uint32(bytes, at + 12);
    if (length < 8) return false;
    at += length;
  }
  return at !== bytes.length;
}

/** Zeros beyond the end. */
function uint32(bytes: Uint8Array, at: number, little = false): number {
  const [a, b, c, d] = [bytes[at] ?? 0, bytes[at + 1] ?? 0, bytes[at + 2] ?? 0, bytes[at + 3] ?? 0];
  return little ? ((d << 24) | (c << 16) | (b << 8) | a) >>> 0 : ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}
