import { decodeGreyPng } from "../data/png.js";
import { readResult } from "../data/result.js";
import { largestId } from "../draw/labels.js";
import { makeLook } from "../draw/look.js";
import { paint } from "../draw/paint.js";
import { colourWords, defaultScheme } from "../draw/schemes.js";
import { fetchBytes, fetchOk, fetchPicture } from "./fetch.js";
import type { ThumbnailRequest } from "./jobs.js";

/** A small picture of a result: the image, its masks, or the masks over the image. Cut to its shape around the middle. */
export async function drawThumbnail(request: ThumbnailRequest): Promise<ImageBitmap> {
  const { width, height, shape, mode } = request;
  // The picture covers the thumbnail.
  const whole = shape > width / height ? { width: height * shape, height } : { width, height: width / shape };
  const place = { left: (width - whole.width) / 2, top: (height - whole.height) / 2, ...whole };
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("This browser cannot draw here.");

  const base = mode === "masks" ? undefined : await firstPicture(request, whole);
  if (base !== undefined) {
    context.fillStyle = "white";
    context.fillRect(0, 0, width, height);
    context.drawImage(base.bitmap, place.left, place.top, place.width, place.height);
    base.bitmap.close();
  }
  const hasMasks = base?.kind === "mean" || (base?.kind === "overlay" && !request.hasClasses);
  if (!hasMasks && (mode !== "image" || base === undefined)) {
    const layer = new ImageData(width, height);
    await paintMasks(new Uint32Array(layer.data.buffer), request, place, base !== undefined);
    const masks = await createImageBitmap(layer);
    context.drawImage(masks, 0, 0);
    masks.close();
  }
  return canvas.transferToImageBitmap();
}

async function firstPicture({ pictures }: ThumbnailRequest, whole: { width: number; height: number }) {
  for (const { kind, address } of pictures) {
    try {
      const size = { resizeWidth: Math.ceil(whole.width), resizeHeight: Math.ceil(whole.height) };
      return { kind, bitmap: await fetchPicture(address, { ...size, resizeQuality: "medium" }) };
    } catch {
      // Moved, changed, or of a format that this browser does not show: the next one, or the masks alone.
    }
  }
  return undefined;
}

async function paintMasks(
  target: Uint32Array,
  request: ThumbnailRequest,
  place: { left: number; top: number; width: number; height: number },
  onImage: boolean,
): Promise<void> {
  const { width, height, segments, metadata, hasClasses } = request;
  const image = await decodeGreyPng(await fetchBytes(segments));
  const labels = { width: image.width, height: image.height, ids: image.values };
  const largest = largestId(labels);
  // Superpixels over an image are outlines alone, which need no colours.
  const plain = onImage && !hasClasses;
  const result = plain ? undefined : readResult(await (await fetchOk(metadata)).json());
  const colours = result === undefined ? undefined : colourWords(result.segments, defaultScheme(result), largest);
  const opacity = plain ? 0 : onImage ? 0.5 : 1;
  const look = makeLook({ largest, colours, opacity, outlines: onImage ? 0.6 : 0.25, line: 1 });
  paint(target, { width, height }, labels, place, look);
}
