import type { Rectangle } from "../segments/stitch.js";
import type { Size } from "../segments/upscale.js";
import { samplesOf, sharp } from "./libvips.js";

/** Interleaved RGB in another size: bilinear, over as many pixels as become one where it gets smaller. */
export async function resampled(rgb: Uint8Array, from: Size, to: Size): Promise<Uint8Array> {
  const whole = sharp(rgb, { raw: { width: from.width, height: from.height, channels: 3 }, limitInputPixels: false });
  const { data } = await samplesOf(whole.resize(to.width, to.height, { fit: "fill", kernel: "linear" }).raw());
  return data;
}

/** A part of interleaved RGB. */
export function cropped(rgb: Uint8Array, width: number, area: Rectangle): Uint8Array<ArrayBuffer> {
  const part = new Uint8Array(area.width * area.height * 3);
  for (let y = 0; y < area.height; y++) {
    const from = ((area.y + y) * width + area.x) * 3;
    part.set(rgb.subarray(from, from + area.width * 3), y * area.width * 3);
  }
  return part;
}
