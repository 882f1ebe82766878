import type { Frame } from "../segments/frame.js";

/** An image as the graph takes it. */
export interface DecodedImage {
  readonly width: number;
  readonly height: number;
  /** sRGB, 8 bit, interleaved, row-major, upright: width * height * 3 bytes. */
  readonly data: Uint8Array;
  readonly frame: Frame;
}
