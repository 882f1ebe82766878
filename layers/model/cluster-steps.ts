import { ClustsegError } from "../segments/errors.js";
import type { ClusterSteps } from "../segments/steps.js";
import type { SegmentClass } from "../segments/table.js";
import type { BundleManifest } from "./bundle.js";
import type { DecodedImage } from "./decoded-image.js";
import { type GraphRequest, type GraphResult, runGraph } from "./graph.js";
import { resampled } from "./resample.js";
import type { GraphRunner } from "./runner.js";

/**
 * Does the bundle's graph give the clusters at each E-step?
 * @throws ClustsegError FORMAT_UNSUITABLE
 */
export function assertSteps({ name, graph }: Pick<BundleManifest, "name" | "graph">): void {
  const has = (tensors: readonly { readonly name: string }[], wanted: string) =>
    tensors.some((tensor) => tensor.name === wanted);
  if (has(graph.inputs, "with_steps") && has(graph.outputs, "steps") && has(graph.outputs, "seeds")) return;
  throw new ClustsegError("FORMAT_UNSUITABLE", `The graph of ${name} does not give the clusters at each E-step.`, {
    hint: 'Leave the format "steps" out, or take a model whose model.json has the input with_steps and the outputs steps and seeds.',
  });
}

/** By cluster; undefined for those that are of no class. */
export type Clusters = readonly (SegmentClass | undefined)[];

/**
 * The steps of a result as they are handed on; nothing when they were not asked for.
 * @param clusters what the clusters are; none for superpixels
 */
export function stepsOf({ steps, seeds }: GraphResult, clusters: Clusters): { readonly steps?: ClusterSteps } {
  if (steps === undefined) return {};
  const places = Array.from({ length: seeds.length / 2 }, (_, cluster) => {
    const [x, y] = [seeds[2 * cluster]!, seeds[2 * cluster + 1]!];
    return x < 0 || y < 0 ? undefined : ([x, y] as const);
  });
  const count = Math.max(places.length, clusters.length);
  const padded = <Value>(values: readonly (Value | undefined)[]) => Array.from({ length: count }, (_, i) => values[i]);
  return { steps: { ...steps, seeds: padded(places), clusters: padded(clusters) } };
}

/**
 * The steps of an image that was run in tiles, each of which has steps of its own: those of one more run on the image as a
 * whole, shrunk to as many pixels as a tile has.
 */
export async function stepsOfShrunk(
  runner: GraphRunner,
  image: DecodedImage,
  pixels: number,
  request: Omit<GraphRequest, "image" | "width" | "height" | "withSteps">,
  clusters: (result: GraphResult) => Clusters,
): Promise<{ readonly steps: ClusterSteps; readonly notes: readonly string[]; readonly ms: number }> {
  const scale = Math.min(1, Math.sqrt(pixels / (image.width * image.height)));
  const shrunk = (side: number): number => Math.max(1, Math.floor(side * scale));
  const size = { width: shrunk(image.width), height: shrunk(image.height) };
  const rgb = scale < 1 ? await resampled(image.data, image, size) : image.data;
  const result = await runGraph(runner, { ...request, ...size, image: new Uint8Array(rgb), withSteps: true });
  const { steps } = stepsOf(result, clusters(result));
  const none = { steps: 0, width: 0, height: 0, frames: new Uint16Array(), seeds: [], clusters: [] };
  const note = `steps are those of the image at ${size.width} x ${size.height}, as it was segmented in tiles`;
  return { steps: steps ?? none, notes: [note], ms: result.ms };
}
