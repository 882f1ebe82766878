import type { Category } from "../segments/categories.js";
import type { Frame } from "../segments/frame.js";
import { classifiedTable, type SegmentRow } from "../segments/table.js";
import { type BundleManifest, categoriesOf, hasClasses, type Task } from "./bundle.js";
import { assertSteps } from "./cluster-steps.js";
import { type DecodeOptions, decodeImage } from "./decode.js";
import type { Model } from "./open-model.js";
import { type CompleteParameters, chooseTask, completeParameters } from "./parameters.js";
import { asFormats, assertClassless, type ResultFormat, resultFiles } from "./result-files.js";

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
  /** The classes that segments can have; none for superpixels. */
  readonly categories: readonly Category[];
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
      const { task, formats, parameters } = readRequest(request, model.manifest);
      const begin = performance.now();
      const image = await decodeImage(bytes, options);
      const decoded = performance.now();
      const found = await model.segment(image, parameters, { task, steps: formats.has("steps") });
      const segmented = performance.now();
      const segments = classifiedTable(found.map, image.data, found.classes);
      const categories = hasClasses(task) ? categoriesOf(model.manifest) : [];
      const files = await resultFiles(formats, {
        map: found.map,
        image,
        rows: segments,
        name: request.name ?? "",
        classes: { task, categories },
        ...(found.steps === undefined ? {} : { steps: found.steps }),
      });
      return {
        frame: { ...image.frame, notes: [...image.frame.notes, ...found.notes] },
        segments,
        categories,
        files,
        ms: { decode: decoded - begin, infer: found.graphMs, encode: performance.now() - segmented },
      };
    },
  };
}

/** A request that the model can carry out. */
export interface ReadRequest {
  readonly task: Task;
  readonly formats: ReadonlySet<ResultFormat>;
  readonly parameters: CompleteParameters;
}

/**
 * Checks a request before there is an image, and fills in what it leaves to the model.
 * @param request no task: the model's first
 * @throws ClustsegError TASK_UNSUPPORTED, FORMAT_UNKNOWN, FORMAT_UNSUITABLE, PARAMETER_INVALID
 */
export function readRequest(
  request: { readonly task?: string | undefined; readonly formats: readonly string[]; readonly parameters: unknown },
  manifest: BundleManifest,
): ReadRequest {
  const formats = asFormats(request.formats);
  const task = chooseTask(manifest, request.task);
  if (formats.has("steps")) assertSteps(manifest);
  if (!hasClasses(task)) assertClassless(formats);
  return { task, formats, parameters: completeParameters(task, request.parameters, manifest) };
}
