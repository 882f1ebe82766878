import { ClustsegError } from "../segments/errors.js";
import { crc32, SIGNATURE } from "./indexed-png.js";

/** What a PNG says before its pixels (ISO/IEC 15948, IHDR). */
export interface PngHeader {
  readonly width: number;
  readonly height: number;
  /** Bits a sample. */
  readonly depth: number;
  readonly colorType: number;
  readonly interlaced: boolean;
}

export interface PngStructure extends PngHeader {
  /** The pieces of the zlib stream with the pixels; views into the file. */
  readonly data: readonly Uint8Array[];
}

/**
 * Reads a PNG's chunks, checksums included, without decoding a pixel.
 * @param size the picture must have it
 * @throws ClustsegError SEGMENT_MAP_INVALID
 */
export function checkPng(
  name: string,
  file: Uint8Array,
  size?: { readonly width: number; readonly height: number },
): PngStructure {
  if (SIGNATURE.some((byte, i) => file[i] !== byte)) throw invalidPng(name, "it does not begin like a PNG");
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const data: Uint8Array[] = [];
  let header: PngHeader | undefined;
  for (let at = SIGNATURE.length; ; ) {
    if (at + 12 > file.length) throw invalidPng(name, "it ends before its last chunk");
    const length = view.getUint32(at);
    const end = at + 12 + length;
    if (end > file.length) throw invalidPng(name, "a chunk reaches past the end");
    const type = String.fromCharCode(...file.subarray(at + 4, at + 8));
    if (view.getUint32(end - 4) !== crc32(file.subarray(at + 4, end - 4))) {
      throw invalidPng(name, "the checksum of a chunk differs");
    }
    if (header === undefined) {
      if (type !== "IHDR" || length !== 13) throw invalidPng(name, "it has no header");
      header = readHeader(view, at + 8);
    } else if (type === "IDAT") data.push(file.subarray(at + 8, end - 4));
    else if (type === "IEND") {
      if (end !== file.length) throw invalidPng(name, "there are bytes behind its end");
      break;
    }
    at = end;
  }
  if (data.length === 0) throw invalidPng(name, "it has no pixels");
  if (size !== undefined && (header.width !== size.width || header.height !== size.height)) {
    throw invalidPng(name, `it has ${header.width} x ${header.height} pixels, not ${size.width} x ${size.height}`);
  }
  return { ...header, data };
}

function readHeader(view: DataView, at: number): PngHeader {
  return {
    width: view.getUint32(at),
    height: view.getUint32(at + 4),
    depth: view.getUint8(at + 8),
    colorType: view.getUint8(at + 9),
    interlaced: view.getUint8(at + 12) !== 0,
  };
}

export function invalidPng(name: string, what: string, cause?: unknown): ClustsegError {
  return new ClustsegError("SEGMENT_MAP_INVALID", `${name} cannot be used: ${what}`, {
    hint: "Make the result anew; the file is not as it was written.",
    cause,
  });
}
