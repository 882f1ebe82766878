import { ClustsegError } from "../segments/errors.js";
import { containerOf, endsEarly } from "./container.js";

const accepted = "JPEG, PNG, WebP, TIFF, GIF or AVIF";

/** The stable error for bytes that libvips could not decode; it depends on the bytes alone, see container.ts. */
export function decodeError(bytes: Uint8Array, cause: unknown): ClustsegError {
  const container = containerOf(bytes);
  if (container === undefined) {
    return new ClustsegError("IMAGE_UNSUPPORTED", "The file is not an image of an accepted format.", {
      hint: `Accepted, by content and not by name: ${accepted}. Convert the file or leave it out.`,
      cause,
    });
  }
  if (container === "heic") {
    return new ClustsegError("IMAGE_UNSUPPORTED", "HEIC images are not read: their codec is patented.", {
      hint: `Convert the image to ${accepted}.`,
      cause,
    });
  }
  if (endsEarly(bytes, container)) {
    return new ClustsegError("IMAGE_TRUNCATED", `The ${container} image is cut short: it ends before its last pixel.`, {
      hint: "The file was probably not copied or uploaded to its end; send it again.",
      cause,
    });
  }
  return new ClustsegError("IMAGE_DAMAGED", `The ${container} image's bytes contradict its format.`, {
    hint: "Open the file in another program to see whether it is damaged; save it anew or send it again.",
    cause,
  });
}

export function imageTooLarge(width: number, height: number, maxPixels: number): ClustsegError {
  const limit = `${maxPixels.toLocaleString("en")} pixels`;
  return new ClustsegError("IMAGE_TOO_LARGE", `The image has ${width} x ${height} pixels, more than ${limit}.`, {
    hint: "Make it smaller, or raise the pixel limit if you trust its source.",
  });
}
