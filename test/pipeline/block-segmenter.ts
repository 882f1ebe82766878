import type { SegmentationRequest, SegmentedImage, Segmenter } from "../../layers/pipeline/ports.js";
import { ClustsegError } from "../../layers/segments/errors.js";

/**
 * A small, real segmentation in pure JavaScript. An "image" is a row of bytes, one pixel each; pixels are cut into blocks of
 * equal length, and neighbouring blocks of equal rounded mean become one segment. Bytes that begin with "bad" are no image.
 */
export function blockSegmenter(
  options: { delayMs?: (bytes: Uint8Array) => number } = {},
): Segmenter & { calls: number } {
  const segmenter = {
    calls: 0,
    model: { name: "blocks", version: "1.0.0", sha256: "ab".repeat(32), tasks: ["superpixel"] },
    async process(bytes: Uint8Array, request: SegmentationRequest): Promise<SegmentedImage> {
      segmenter.calls++;
      const delay = options.delayMs?.(bytes) ?? 0;
      if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
      if (bytes.length === 0)
        throw new ClustsegError("IMAGE_EMPTY", "the file holds no bytes", { hint: "Leave it out." });
      if (new TextDecoder().decode(bytes.subarray(0, 3)) === "bad") {
        throw new ClustsegError("IMAGE_DAMAGED", "the bytes begin with bad", { hint: "Leave it out." });
      }
      return segmentBlocks(bytes, request);
    },
  };
  return segmenter;
}

function segmentBlocks(bytes: Uint8Array, { parameters, formats }: SegmentationRequest): SegmentedImage {
  const { block: asked } = parameters;
  const block = Number(asked ?? 8);
  const ids = new Uint8Array(bytes.length);
  const rows: SegmentedImage["segments"][number][] = [];
  let previous = -1;
  for (let start = 0; start < bytes.length; start += block) {
    const pixels = bytes.subarray(start, start + block);
    const mean = Math.round(pixels.reduce((sum, value) => sum + value, 0) / pixels.length / 32) * 32;
    const last = rows.at(-1);
    if (mean !== previous || last === undefined) {
      const id = rows.length + 1;
      const [x, area] = [start, pixels.length];
      rows.push({ id, area, bbox: [x, 0, area, 1], centroid: [x + (area - 1) / 2, 0], color: [mean, mean, mean] });
    } else {
      const area = last.area + pixels.length;
      const [x] = last.bbox;
      rows[rows.length - 1] = { ...last, area, bbox: [x, 0, area, 1], centroid: [x + (area - 1) / 2, 0] };
    }
    ids.fill(rows.length, start, start + block);
    previous = mean;
  }
  const png = (body: Uint8Array) => Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, ...body]);
  const files = new Map([["segments.png", png(ids)]]);
  if (formats.includes("overlay")) files.set("overlay.png", png(bytes));
  const frame = {
    width: bytes.length,
    height: 1,
    orientation: 1,
    format: "bytes",
    space: "b-w",
    depth: "uchar",
    pages: 1,
    alpha: false,
    notes: [],
  };
  return { frame, segments: rows, files, ms: { decode: 0.1, infer: 0.2, encode: 0.3 } };
}
