import type { Classes } from "../segments/categories.js";
import type { SegmentMap } from "../segments/segment-map.js";
import type { ResultKind } from "./find-results.js";
import type { LoadedResult } from "./load-result.js";
import type { ObjectStore } from "./ports.js";

/** What the formats need of pictures, which nothing in this room can read or write; the model's. */
export interface PictureCodecs {
  decodeIds(png: Uint8Array): Promise<SegmentMap>;
  /** Any accepted image file as upright RGB. */
  decodeImage(
    bytes: Uint8Array,
  ): Promise<{ readonly width: number; readonly height: number; readonly data: Uint8Array }>;
  encodeRgb(rgb: Uint8Array, width: number, height: number): Promise<Uint8Array>;
  encodeRgba(rgba: Uint8Array, width: number, height: number): Promise<Uint8Array>;
  /** A byte a pixel, in the palette of PASCAL VOC. */
  encodeVoc(indices: Uint8Array, width: number, height: number): Promise<Uint8Array>;
}

/** What a person may choose about some formats. */
export interface FormatOptions {
  /** Cut-outs of an image at most: the largest. @default 100 */
  readonly maxCutouts?: number;
  /** Where Label Studio finds images: this, and the image's key. @default local storage */
  readonly imageUrl?: string;
}

export interface FormatContext extends FormatOptions {
  readonly codecs: PictureCodecs;
  /** The images that the results are of, under the same keys; undefined when they were not given. */
  readonly images: ObjectStore | undefined;
  readonly kind: ResultKind;
}

/** An image on its way out. */
export interface ExportedImage extends LoadedResult {
  /** Its place among all results, in key order, from 1: whatever becomes of the others, and whoever asks, the same. */
  readonly number: number;
  /** The bytes of the image's file, checked to be those that were segmented. */
  source(): Promise<Uint8Array>;
}

export interface ExportedFile {
  readonly key: string;
  readonly body: Uint8Array;
  readonly contentType: string;
}

/** What comes of one image. */
export interface ImageExport {
  readonly files?: readonly ExportedFile[];
  /** Lines for the data set's own files, by the list they belong to (one letter). No line ends in them. */
  readonly lines?: readonly (readonly [list: string, line: string])[];
  /** Segments that were written. */
  readonly segments: number;
}

/** A file of the data set as a whole, written line by line. */
export interface DatasetFile {
  readonly key: string;
  readonly lines: AsyncIterable<string> | Iterable<string>;
}

export interface DatasetContext extends FormatContext {
  readonly classes: Classes;
  /** Images that were written. */
  readonly written: number;
  /** The lines of one list, of all images in key order; may be asked for again and again, and is streamed each time. */
  readonly list: (list: string) => AsyncIterable<string>;
}

export interface ExportFormat {
  /** Does it keep nothing but the last part of a name, without its extension? Then two images may want one name. */
  readonly namedByStem?: true;
  /** Where it puts files of single images, if not below the images' own names. */
  readonly folders?: readonly string[];
  /** Can it do without the images? */
  readonly needsImages?: true;
  image(image: ExportedImage, context: FormatContext): Promise<ImageExport>;
  dataset(context: DatasetContext): Iterable<DatasetFile>;
}
