import type { Metadata } from "sharp";
import { ClustsegError } from "../segments/errors.js";
import type { Frame } from "../segments/frame.js";
import { decodeError, imageTooLarge } from "./decode-errors.js";
import type { DecodedImage } from "./decoded-image.js";
import { samplesOf, sharp } from "./libvips.js";

export interface DecodeOptions {
  /** Larger images are rejected before a pixel of them is decoded. @default 100,000,000 */
  readonly maxPixels?: number;
}

export const defaultMaxPixels = 100_000_000;

/** Spaces whose numbers mean the same whatever their sample type; elsewhere only 8 and 16 bit integers have a known range. */
const absoluteSpaces: ReadonlySet<string> = new Set(["lab", "labs", "labq", "xyz", "scrgb", "lch"]);

/**
 * Any accepted image file to upright sRGB, 8 bit, three channels.
 *
 * The format is found by content: JPEG, PNG, WebP, TIFF, GIF and AVIF are read, nothing else. The EXIF orientation is
 * applied; embedded colour profiles, CMYK, Lab, grey, palettes and 16 bits become sRGB; transparency is laid over white; of
 * several frames or pages the first is taken. `frame` records all of it.
 *
 * Decoding is strict first. Files about which the decoder only warns (a wrong checksum, stray bytes between segments: many
 * cameras write those) are decoded once more without that strictness and get a note; files that end early stay rejected.
 *
 * @throws ClustsegError IMAGE_EMPTY, IMAGE_UNSUPPORTED, IMAGE_TRUNCATED, IMAGE_DAMAGED or IMAGE_TOO_LARGE
 */
export async function decodeImage(bytes: Uint8Array, options: DecodeOptions = {}): Promise<DecodedImage> {
  const maxPixels = options.maxPixels ?? defaultMaxPixels;
  if (bytes.length === 0) {
    throw new ClustsegError("IMAGE_EMPTY", "The file holds no bytes.", {
      hint: "The upload or copy probably failed; send the file again.",
    });
  }
  const notes: string[] = [];
  try {
    // Headers only, so no limit yet: libvips' own refusal would not tell the size.
    const metadata = await sharp(bytes, { limitInputPixels: false }).metadata();
    const { width } = metadata;
    const height = metadata.pageHeight ?? metadata.height;
    if (width * height > maxPixels) throw imageTooLarge(width, height, maxPixels);
    const { depth, space } = metadata;
    if (
      depth !== "uchar" &&
      depth !== "char" &&
      depth !== "ushort" &&
      depth !== "short" &&
      !absoluteSpaces.has(space)
    ) {
      throw new ClustsegError(
        "IMAGE_UNSUPPORTED",
        `Samples of type "${depth}" in colour space "${space}" have no known range.`,
        {
          hint: "Save the image with 8 or 16 bits a channel.",
        },
      );
    }
    const pages = metadata.pages ?? 1;
    if (pages > 1) notes.push(`first of ${pages} ${metadata.format === "tiff" ? "pages" : "frames"}`);
    if (metadata.channels > 4) notes.push(`first three of ${metadata.channels} channels`);

    const pixels = await rgbPixels(bytes, metadata, maxPixels, "warning").catch(() => {
      notes.push("the decoder warned about this file: parts of it may be damaged");
      return rgbPixels(bytes, metadata, maxPixels, "error");
    });
    const frame: Frame = {
      width: pixels.width,
      height: pixels.height,
      orientation: metadata.orientation ?? 1,
      format: metadata.format === "heif" ? "avif" : metadata.format,
      space,
      depth,
      pages,
      alpha: metadata.hasAlpha,
      notes,
    };
    return { ...pixels, frame };
  } catch (error) {
    if (error instanceof ClustsegError) throw error;
    throw decodeError(bytes, error);
  }
}

interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

async function rgbPixels(
  bytes: Uint8Array,
  metadata: Metadata,
  maxPixels: number,
  failOn: "warning" | "error",
): Promise<Pixels> {
  const upright = sharp(bytes, { failOn, limitInputPixels: maxPixels, pages: 1 }).autoOrient();
  // libvips can flatten a picture with one alpha channel only; extra channels of scientific TIFFs are not transparency.
  const opaque = metadata.hasAlpha && metadata.channels <= 4 ? upright.flatten({ background: "#ffffff" }) : upright;
  const { data, info } = await samplesOf(opaque.toColourspace("srgb").raw({ depth: "uchar" }));
  const rgb = info.channels === 3 ? data : firstThree(data, info.channels);
  return { width: info.width, height: info.height, data: rgb };
}

/** Drops (or, of one or two channels, repeats) channels, so that there are three. */
function firstThree(data: Uint8Array, channels: number): Uint8Array {
  const count = data.length / channels;
  const rgb = new Uint8Array(count * 3);
  const second = channels > 2 ? 1 : 0;
  const third = channels > 2 ? 2 : 0;
  for (let i = 0, from = 0, to = 0; i < count; i++, from += channels, to += 3) {
    rgb[to] = data[from]!;
    rgb[to + 1] = data[from + second]!;
    rgb[to + 2] = data[from + third]!;
  }
  return rgb;
}
