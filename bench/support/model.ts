import { InferenceSession, Tensor } from "onnxruntime-node";
import { type Bundle, type BundleManifest, hasClasses, loadBundle, type Task } from "../../layers/model/bundle.js";
import type { DecodedImage } from "../../layers/model/decoded-image.js";
import { findBundle } from "../../layers/model/find-bundle.js";
import { segmentMasks } from "../../layers/model/masks.js";
import type { Model } from "../../layers/model/open-model.js";
import { chooseTask, completeParameters } from "../../layers/model/parameters.js";
import { type GraphRunner, openRunner } from "../../layers/model/runner.js";
import { segmentSuperpixels } from "../../layers/model/superpixels.js";
import type { GraphValue, GraphValues } from "../../layers/model/worker-protocol.js";

/** @param bundle the name of one that ships, or a folder; default: the superpixel bundle */
export async function openBundle(bundle?: string): Promise<Bundle> {
  return loadBundle(await findBundle(bundle));
}

/** What a bench asks of a bundle for each image. */
export interface Asked {
  readonly task: Task;
  /** Those of the task, as numbers: `superpixels`, or thresholds. */
  readonly parameters: Readonly<Record<string, number>>;
}

/** @param superpixels how many, where the task is superpixel; other tasks have the bundle's defaults */
export function askOf(manifest: BundleManifest, superpixels: number, wanted?: string): Asked {
  const task = chooseTask(manifest, wanted);
  return { task, parameters: { ...completeParameters(task, hasClasses(task) ? {} : { superpixels }, manifest) } };
}

export async function openBundleRunner(bundle: Bundle, threads: number): Promise<GraphRunner> {
  return openRunner(async () => new Uint8Array(bundle.graph), { threads });
}

/** A model on a runner of one's own, so that what passes through it can be looked at. */
export function modelOn(runner: GraphRunner, { manifest }: Bundle): Model {
  return {
    manifest,
    provider: runner.provider,
    refused: runner.refused,
    async segment(image, parameters = {}, options = {}) {
      const task = chooseTask(manifest, options.task);
      return task === "superpixel"
        ? segmentSuperpixels(runner, manifest, image, parameters)
        : segmentMasks(runner, manifest, image, task, parameters);
    },
    close: () => runner.close(),
  };
}

/**
 * A session of its own on the calling thread, with the settings that layers/model/worker.js gives it.
 * @param spinning whether threads that wait for work burn their core meanwhile, which is onnxruntime's default
 */
export async function openBareSession(bundle: Bundle, threads: number, spinning: boolean): Promise<InferenceSession> {
  return InferenceSession.create(bundle.graph, {
    executionProviders: ["cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    enableMemPattern: false,
    logSeverityLevel: 4,
    extra: { session: { intra_op: { allow_spinning: spinning ? "1" : "0" } } },
  });
}

export type Feeds = Record<string, Tensor>;

/** onnxruntime's tensors of what the model's own code gives a graph. */
export function tensorsOf(request: GraphValues): Feeds {
  const tensors = Object.entries(request).map(([name, { type, data, dims }]) => {
    return [name, new Tensor(type as "uint8", data as Uint8Array, dims)] as const;
  });
  return Object.fromEntries(tensors);
}

/** What the model's own code would give the graph for an image: one request, or several for one that is run in tiles. */
export async function graphRequests(
  bundle: Bundle,
  image: DecodedImage,
  { task, parameters }: Asked,
): Promise<GraphValues[]> {
  const requests: GraphValues[] = [];
  const { inputs, outputs } = bundle.manifest.graph;
  const recorder: GraphRunner = {
    provider: "cpu",
    refused: [],
    inputs,
    outputs,
    async run(request) {
      requests.push(request);
      const [, height = 0, width = 0] = request["image"]?.dims ?? [];
      const one = oneCluster(bundle.manifest, width, height);
      return {
        values: Object.fromEntries(outputs.flatMap(({ name }) => (one[name] ? [[name, one[name]]] : []))),
        ms: 0,
      };
    },
    close: async () => {},
  };
  await modelOn(recorder, bundle).segment(image, parameters, { task });
  return requests;
}

/** The outputs of a graph that finds one cluster, which has all pixels. */
function oneCluster({ classes }: BundleManifest, width: number, height: number): Record<string, GraphValue> {
  return {
    labels: { type: "uint16", dims: [1, height, width], data: new Uint16Array(width * height) },
    class_id: { type: "int64", dims: [1, 1], data: BigInt64Array.of(BigInt(classes[0]?.id ?? 0)) },
    score: { type: "float32", dims: [1, 1], data: Float32Array.of(1) },
    seeds: { type: "float32", dims: [1, 1, 2], data: Float32Array.of(0.5, 0.5) },
    steps: { type: "uint16", dims: [1, 0, 1, 1], data: new Uint16Array() },
  };
}
