import { InferenceSession, Tensor } from "onnxruntime-node";
import { type Bundle, loadBundle } from "../../layers/model/bundle.js";
import type { DecodedImage } from "../../layers/model/decoded-image.js";
import { findBundle } from "../../layers/model/find-bundle.js";
import { type GraphRunner, openRunner, type RunRequest } from "../../layers/model/runner.js";
import { segmentSuperpixels } from "../../layers/model/superpixels.js";

export async function openBundle(): Promise<Bundle> {
  return loadBundle(await findBundle());
}

export async function openBundleRunner(bundle: Bundle, threads: number): Promise<GraphRunner> {
  return openRunner(async () => new Uint8Array(bundle.graph), { threads });
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

export type Feeds = Record<"image" | "superpixels" | "grid", Tensor>;

export function feedsOf({ image, width, height, superpixels, rows, columns }: RunRequest): Feeds {
  return {
    image: new Tensor("uint8", image, [1, height, width, 3]),
    superpixels: new Tensor("int64", BigInt64Array.of(BigInt(superpixels)), [1]),
    grid: new Tensor("int64", BigInt64Array.of(BigInt(rows), BigInt(columns)), [2]),
  };
}

/** What the model's own code would give the graph for an image: one request, or several for one that is run in tiles. */
export async function graphRequests(bundle: Bundle, image: DecodedImage, superpixels: number): Promise<RunRequest[]> {
  const requests: RunRequest[] = [];
  const recorder: GraphRunner = {
    provider: "cpu",
    refused: [],
    inputs: [],
    outputs: [],
    async run(request) {
      requests.push(request);
      return { labels: new Uint16Array(request.width * request.height), ms: 0 };
    },
    close: async () => {},
  };
  await segmentSuperpixels(recorder, bundle.manifest, image, { superpixels });
  return requests;
}
