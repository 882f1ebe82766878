import { readFile } from "node:fs/promises";
import { ClustsegError } from "../segments/errors.js";
import type { SegmentMap } from "../segments/segment-map.js";
import { type BundleManifest, loadBundle } from "./bundle.js";
import { decodeImage } from "./decode.js";
import type { DecodedImage } from "./decoded-image.js";
import { findBundle } from "./find-bundle.js";
import type { ExecutionProvider, GraphRunner, RefusedProvider, RunnerOptions } from "./runner.js";
import { openRunners } from "./runner-pool.js";
import { type SegmentParameters, segmentSuperpixels } from "./superpixels.js";

export interface SegmentOptions {
  /** Told how many milliseconds the graph itself ran for the image, without the time in line. */
  readonly onGraphTime?: (ms: number) => void;
}

export interface ModelOptions extends RunnerOptions {
  /** Threads that own a copy of the graph each: images at once, where `threads` are for one image. @default 1 */
  readonly workers?: number;
}

/** A bundle that is ready to run. Images may be given to it at once; the graph takes one after the other. */
export interface Model {
  readonly manifest: BundleManifest;
  /** The execution provider in use, and those that were asked for before it and could not be opened. */
  readonly provider: ExecutionProvider;
  readonly refused: readonly RefusedProvider[];
  /**
   * The segments of one image. Leaves `image` as it is.
   * @throws ClustsegError PARAMETER_INVALID, SEGMENT_LIMIT, MODEL_RUN_FAILED, MODEL_OUT_OF_MEMORY, MODEL_OUTPUT_INVALID,
   * MODEL_WORKER_DIED (the next call starts a new thread), MODEL_CLOSED
   */
  segment(image: DecodedImage, parameters?: SegmentParameters, options?: SegmentOptions): Promise<SegmentMap>;
  /** Waits for the images under way and frees the thread. A model left open does not keep the process alive. */
  close(): Promise<void>;
}

/**
 * Opens a bundle: checks model.json and the graph's SHA-256, and starts the one thread that owns the graph.
 * Open one model a process: onnxruntime does not give back all the memory of a session that is closed.
 *
 * @param bundle the folder of a bundle, or the name of one that ships
 * @throws ClustsegError MODEL_NOT_FOUND, MODEL_MANIFEST_INVALID, MODEL_DAMAGED, MODEL_INCOMPATIBLE, MODEL_LOAD_FAILED,
 * MODEL_PROVIDER_UNAVAILABLE, TASK_UNSUPPORTED, PARAMETER_INVALID (an argument of another type)
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
    assertDeclared("inputs", manifest.graph.inputs, runner.inputs);
    assertDeclared("outputs", manifest.graph.outputs, runner.outputs);
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
      const { map, graphMs } = await segmentSuperpixels(runner, manifest, image, parameters);
      options.onGraphTime?.(graphMs);
      return map;
    },
    close: () => runner.close(),
  };
}

export interface SegmentImageOptions extends SegmentParameters {
  /** A model that is open, or the folder or name of a bundle, which is then opened once and kept. @default the one that ships */
  readonly model?: Model | string;
  readonly maxPixels?: number;
}

export interface SegmentedPicture {
  readonly image: DecodedImage;
  readonly map: SegmentMap;
}

/**
 * One image file to segments, in one call.
 *
 * @param input the path of an image file, or its bytes
 * @throws ClustsegError of decodeImage, openModel and Model.segment; OBJECT_NOT_FOUND or OBJECT_UNREADABLE for a path
 */
export async function segmentImage(
  input: string | Uint8Array,
  options: SegmentImageOptions = {},
): Promise<SegmentedPicture> {
  const { model = "", maxPixels, ...parameters } = options;
  const bytes = typeof input === "string" ? await readImage(input) : input;
  const opened = await (typeof model === "string" ? keptModel(model) : model);
  if (typeof opened?.segment !== "function") throw notABundle(model);
  const image = await decodeImage(bytes, maxPixels === undefined ? {} : { maxPixels });
  return { image, map: await opened.segment(image, parameters) };
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

function assertSupported(manifest: BundleManifest): void {
  if (!manifest.tasks.includes("superpixel")) {
    throw new ClustsegError("TASK_UNSUPPORTED", `${manifest.name} does not do superpixels.`, {
      hint: "This version runs superpixel bundles only.",
    });
  }
  const { multiple, min_side: side } = manifest.input;
  if (multiple !== 1 || side !== 1) {
    throw new ClustsegError(
      "MODEL_INCOMPATIBLE",
      `${manifest.name} needs padded images (multiple ${multiple}, min_side ${side}).`,
      {
        hint: "Export the bundle again with the padding inside its graph, and 1 for both.",
      },
    );
  }
}

function assertDeclared(
  which: "inputs" | "outputs",
  declared: BundleManifest["graph"]["inputs"],
  actual: GraphRunner["inputs"],
): void {
  const text = (tensors: GraphRunner["inputs"]): string =>
    tensors
      .map(
        ({ name, type, shape }) =>
          `${name} ${type} [${shape.map((d) => (typeof d === "number" ? d : "?")).join(", ")}]`,
      )
      .sort()
      .join(", ");
  const [said, found] = [text(declared), text(actual)];
  if (said === found) return;
  throw new ClustsegError("MODEL_INCOMPATIBLE", `The graph's ${which} are ${found}, but model.json says ${said}.`, {
    hint: "Export the bundle again: its graph and its model.json do not belong together.",
  });
}
