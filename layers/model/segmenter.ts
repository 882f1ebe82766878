import { ClustsegError } from "../segments/errors.js";
import type { Frame } from "../segments/frame.js";
import { type SegmentRow, segmentTable } from "../segments/table.js";
import { type DecodeOptions, decodeImage } from "./decode.js";
import type { DecodedImage } from "./decoded-image.js";
import { chooseGrid } from "./grid.js";
import type { Model } from "./open-model.js";
import { asFormats, resultFiles } from "./result-files.js";
import { completeParameters } from "./superpixels.js";

/** What is asked of one image. */
export interface SegmenterRequest {
  readonly task: string;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  /** Keys of `resultFormats`; "segments" may be named too and is always made. */
  readonly formats: readonly string[];
  /** What the image is called in files that name it (COCO's file_name). @default "" */
  readonly name?: string;
}

export interface SegmenterResult {
  readonly frame: Frame;
  readonly segments: readonly SegmentRow[];
  /** File name -> bytes: segments.png and the formats asked for. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Milliseconds; `infer` is the graph alone, without the time in line for it. */
  readonly ms: { readonly decode: number; readonly infer: number; readonly encode: number };
}

/** The pipeline's Segmenter port, on a model: image bytes in, result files out. */
export interface ModelSegmenter {
  readonly model: {
    readonly name: string;
    readonly version: string;
    readonly sha256: string;
    readonly tasks: readonly string[];
  };
  process(bytes: Uint8Array, request: SegmenterRequest): Promise<SegmenterResult>;
}

/**
 * Call `process` for several images at once: decoding and encoding run on libuv's threads and the graph on its own, so
 * that the stages of different images overlap. The caller bounds how many.
 */
export function createSegmenter(model: Model, options: DecodeOptions = {}): ModelSegmenter {
  const { name, version, tasks, graph } = model.manifest;
  return {
    model: { name, version, tasks, sha256: graph.sha256 },
    async process(bytes, request) {
      assertTask(request.task, tasks);
      const formats = asFormats(request.formats);
      const parameters = completeParameters(request.parameters, model.manifest);
      const begin = performance.now();
      const image = await decodeImage(bytes, options);
      const decoded = performance.now();
      let infer = 0;
      const map = await model.segment(image, parameters, {
        onGraphTime: (ms) => {
          infer = ms;
        },
      });
      const segmented = performance.now();
      const segments = segmentTable(map, image.data);
      const files = await resultFiles(formats, map, image, segments, request.name ?? "");
      return {
        frame: notedFrame(image, parameters.superpixels),
        segments,
        files,
        ms: { decode: decoded - begin, infer, encode: performance.now() - segmented },
      };
    },
  };
}

function notedFrame(image: DecodedImage, superpixels: number): Frame {
  const { rows, columns } = chooseGrid(superpixels, image.width, image.height);
  if (rows * columns >= superpixels) return image.frame;
  const note = `${superpixels} superpixels asked, but there is room for ${rows * columns}`;
  return { ...image.frame, notes: [...image.frame.notes, note] };
}

function assertTask(task: string, tasks: readonly string[]): void {
  if (tasks.includes(task)) return;
  throw new ClustsegError("TASK_UNSUPPORTED", `The model does not do the task "${task}".`, {
    hint: `Tasks of this model: ${tasks.join(", ")}.`,
  });
}
