import { readFile } from "node:fs/promises";
import type { Category } from "../segments/categories.js";
import { ClustsegError } from "../segments/errors.js";
import type { SegmentMap } from "../segments/segment-map.js";
import type { ClusterSteps } from "../segments/steps.js";
import { classifiedTable, type SegmentRow } from "../segments/table.js";
import { type BundleManifest, categoriesOf, loadBundle, type Task } from "./bundle.js";
import { assertSteps } from "./cluster-steps.js";
import { assertRunnable, assertSupported } from "./compatibility.js";
import { decodeImage } from "./decode.js";
import type { DecodedImage } from "./decoded-image.js";
import { findBundle } from "./find-bundle.js";
import { segmentMasks } from "./masks.js";
import { chooseTask, type SegmentParameters } from "./parameters.js";
import type { ExecutionProvider, GraphRunner, RefusedProvider, RunnerOptions } from "./runner.js";
import { openRunners } from "./runner-pool.js";
import type { Segmentation } from "./segmentation.js";
import { segmentSuperpixels } from "./superpixels.js";

export interface SegmentOptions {
  /** What to make of the image. @default the first of the bundle's tasks */
  readonly task?: Task;
  /** Also the clusters at each E-step, of a bundle whose graph gives them. @default false */
  readonly steps?: boolean;
}

export interface ModelOptions extends RunnerOptions {
  /** Threads that own a copy of the graph each: images (or tiles of one) at once, where `threads` are for one. @default 1 */
  readonly workers?: number;
}

/** A bundle that is ready to run. Images may be given to it at once; a worker's graph takes one after the other. */
export interface Model {
  readonly manifest: BundleManifest;
  /** The execution provider in use, and those that were asked for before it and could not be opened. */
  readonly provider: ExecutionProvider;
  readonly refused: readonly RefusedProvider[];
  /**
   * The segments of one image. Leaves `image` as it is.
   * @throws ClustsegError TASK_UNSUPPORTED, PARAMETER_INVALID, FORMAT_UNSUITABLE (steps), SEGMENT_LIMIT, MODEL_RUN_FAILED,
   * MODEL_OUT_OF_MEMORY, MODEL_OUTPUT_INVALID, MODEL_WORKER_DIED (the next call starts a new thread), MODEL_CLOSED
   */
  segment(image: DecodedImage, parameters?: SegmentParameters, options?: SegmentOptions): Promise<Segmentation>;
  /** Waits for the images under way and frees the thread. A model left open does not keep the process alive. */
  close(): Promise<void>;
}

/**
 * Opens a bundle: checks model.json and the graph's SHA-256, and starts the one thread that owns the graph.
 * Open one model a process: onnxruntime does not give back all the memory of a session that is closed.
 *
 * @param bundle the folder of a bundle, or the name of one that ships
 * @throws ClustsegError MODEL_NOT_FOUND, MODEL_MANIFEST_INVALID, MODEL_DAMAGED, MODEL_INCOMPATIBLE, MODEL_LOAD_FAILED,
 * MODEL_PROVIDER_UNAVAILABLE, PARAMETER_INVALID (an argument of another type)
 */
export async function openModel(bundle?: string, options: ModelOptions = {}): Promise<Model> {
  if (bundle !== undefined && typeof bundle !== "string") throw notABundle(bundle);
  const folder = await findBundle(bundle);
  const first = await loadBundle(folder);
  const { manifest } = first;
  assertSupported(manifest);
  let graph: Uint8Array<ArrayBuffer> | undefined = first.graph;
  const load = async (): Promise<Uint8Array<ArrayBuffer>> => {
    // Transferred to the thread, so a thread that takes the place of a dead one reads (and checks) the file again.
    const bytes = graph ?? (await loadBundle(folder)).graph;
    graph = undefined;
    return bytes;
  };
  const runner = await openRunners(load, options, options.workers ?? 1);
  try {
    assertRunnable(manifest, runner);
  } catch (error) {
    await runner.close();
    throw error;
  }
  return modelOf(manifest, runner);
}

function modelOf(manifest: BundleManifest, runner: GraphRunner): Model {
  return {
    manifest,
    provider: runner.provider,
    refused: runner.refused,
    async segment(image, parameters = {}, options = {}) {
      const task = chooseTask(manifest, options.task);
      assertPixels(image);
      const { steps = false } = options;
      if (steps) assertSteps(manifest);
      return task === "superpixel"
        ? segmentSuperpixels(runner, manifest, image, parameters, { steps })
        : segmentMasks(runner, manifest, image, task, parameters, { steps });
    },
    close: () => runner.close(),
  };
}

function assertPixels({ width, height, data }: DecodedImage): void {
  if (data.length === width * height * 3 && data.length > 0) return;
  throw new ClustsegError("PARAMETER_INVALID", `Expected ${width} x ${height} x 3 bytes but received ${data.length}.`, {
    hint: "Pass interleaved 8 bit RGB, as decodeImage gives it.",
  });
}

export interface SegmentImageOptions extends SegmentParameters, SegmentOptions {
  /** A model that is open, or the folder or name of a bundle, which is then opened once and kept. @default clustseg-superpixel */
  readonly model?: Model | string;
  readonly maxPixels?: number;
}

export interface SegmentedPicture {
  readonly image: DecodedImage;
  readonly task: Task;
  readonly map: SegmentMap;
  /** Area, box and colour of each segment, in order of id; class and score, too, in the tasks that have classes. */
  readonly segments: readonly SegmentRow[];
  /** The model's classes: what a segment's `categoryId` means. Superpixels have none. */
  readonly categories: readonly Category[];
  readonly steps?: ClusterSteps;
}

/**
 * One image file to segments, in one call: `segmentImage("a.jpg")`, or, with a bundle that does the task,
 * `segmentImage("a.jpg", { model: "./my-bundle", task: "panoptic", threshold: 0.5 })`.
 *
 * @param input the path of an image file, or its bytes
 * @throws ClustsegError of decodeImage, openModel and Model.segment; OBJECT_NOT_FOUND or OBJECT_UNREADABLE for a path
 */
export async function segmentImage(
  input: string | Uint8Array,
  options: SegmentImageOptions = {},
): Promise<SegmentedPicture> {
  const { model = "", maxPixels, task, steps = false, ...parameters } = options;
  const bytes = typeof input === "string" ? await readImage(input) : input;
  const opened = await (typeof model === "string" ? keptModel(model) : model);
  if (typeof opened?.segment !== "function") throw notABundle(model);
  const image = await decodeImage(bytes, maxPixels === undefined ? {} : { maxPixels });
  const found = await opened.segment(image, parameters, { steps, ...(task === undefined ? {} : { task }) });
  return {
    image,
    task: found.task,
    map: found.map,
    segments: classifiedTable(found.map, image.data, found.classes),
    categories: found.classes === undefined ? [] : categoriesOf(opened.manifest),
    ...(found.steps === undefined ? {} : { steps: found.steps }),
  };
}

/** For callers without types. */
function notABundle(given: unknown): ClustsegError {
  const what = given === null ? "null" : typeof given;
  return new ClustsegError("PARAMETER_INVALID", `Expected the name or the folder of a bundle but received: ${what}.`, {
    hint: 'Call openModel() for the model that ships, or openModel("./my-bundle", { threads: 2 }).',
  });
}

const kept = new Map<string, Promise<Model>>();

function keptModel(bundle: string): Promise<Model> {
  const open = kept.get(bundle) ?? (bundle === "" ? openModel() : openModel(bundle));
  kept.set(bundle, open);
  open.catch(() => kept.delete(bundle));
  return open;
}

async function readImage(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    const missing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    throw new ClustsegError(missing ? "OBJECT_NOT_FOUND" : "OBJECT_UNREADABLE", `The image ${file} cannot be read.`, {
      hint: missing ? "Check the path." : "Check that it is a file and that you may read it.",
      cause,
    });
  }
}
