/** What was decoded: the frame that a mask is aligned to, and where its pixels came from. */
export interface Frame {
  /** Size in pixels of the upright picture, which is also the size of every mask of it. */
  readonly width: number;
  readonly height: number;
  /** The EXIF orientation found, 1 (upright) to 8; it has been applied. 1 if the file has none. */
  readonly orientation: number;
  /** By content, not by name: "jpeg", "png", "webp", "tiff", "gif" or "avif". */
  readonly format: string;
  /** libvips' name of the file's colour space, such as "srgb", "cmyk", "b-w", "rgb16"; the pixels have been made sRGB. */
  readonly space: string;
  /** libvips' name of the file's sample type, such as "uchar" (8 bit) or "ushort" (16 bit); made 8 bit. */
  readonly depth: string;
  /** Frames or pages in the file; the first one is used. */
  readonly pages: number;
  /** Did the file have transparency? It has been laid over white. */
  readonly alpha: boolean;
  /** What a reader of the result should know, such as "first of 12 frames". */
  readonly notes: readonly string[];
}
