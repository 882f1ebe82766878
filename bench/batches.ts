import { availableParallelism } from "node:os";
import { type InferenceSession, Tensor } from "onnxruntime-node";
import type { BundleManifest } from "../layers/model/bundle.js";
import { shippedBundles } from "../layers/model/find-bundle.js";
import type { GraphValue, GraphValues } from "../layers/model/worker-protocol.js";
import { type BenchResult, bench, type CommonOptions, count, counts, inChild } from "./support/bench.js";
import { median, medianRatio, rounded, table } from "./support/figures.js";
import { imagesFor, pick, picturesOf } from "./support/images.js";
import { peakRssMib } from "./support/memory.js";
import { askOf, graphRequests, openBareSession, openBundle, tensorsOf } from "./support/model.js";
import { describeBundle } from "./support/result.js";

interface Options extends CommonOptions {
  readonly bundles?: string[];
  readonly batches: number[];
  readonly threads: number[];
  readonly rounds: number;
  readonly superpixels: number;
}

interface Input {
  readonly bundle: string;
  readonly files: readonly string[];
  readonly width: number;
  readonly height: number;
  readonly superpixels: number;
  readonly batches: readonly number[];
  readonly threads: number;
  readonly rounds: number;
}

/** Of one session. One entry for each of the input's batch sizes. */
interface Run {
  /** Milliseconds an image, round by round. */
  readonly ms: number[][];
  /** The part of pixels whose label is that of the image by itself. */
  readonly sameLabels: number[];
  /** The largest difference of a score. */
  readonly scoreDifference: number[];
  /** MiB, by the time that this size and those before it had run. */
  readonly peak: number[];
}

/** All images in batches of each size by turns: each round begins with another size. */
async function run(input: Input): Promise<Run> {
  const { files, width, height, batches, threads, rounds } = input;
  const bundle = await openBundle(input.bundle);
  const asked = askOf(bundle.manifest, input.superpixels);
  const frame = { width, height, orientation: 1, format: "raw", space: "srgb", depth: "uchar", pages: 1, alpha: false };
  const requests: GraphValues[] = [];
  for (const picture of await picturesOf(files, width, height)) {
    requests.push(...(await graphRequests(bundle, { ...picture, frame: { ...frame, notes: [] } }, asked)));
  }
  const session = await openBareSession(bundle, threads, false);
  const batched = batches.map((size) => inBatches(requests, size));

  const result: Run = { ms: batches.map(() => []), sameLabels: [], scoreDifference: [], peak: [] };
  const alone = await outputsOf(session, inBatches(requests, 1));
  for (const batch of batched) {
    const together = await outputsOf(session, batch);
    result.sameLabels.push(samePart(alone, together));
    result.scoreDifference.push(largestDifference(alone, together));
    result.peak.push(peakRssMib());
  }
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < batches.length; turn++) {
      const at = (round + turn) % batches.length;
      const begin = performance.now();
      for (const feeds of batched[at]!) await session.run(tensorsOf(feeds));
      result.ms[at]!.push((performance.now() - begin) / requests.length);
    }
  }
  await session.release();
  return result;
}

/** Requests that differ in their image alone, so many of them as one. */
function inBatches(requests: readonly GraphValues[], size: number): GraphValues[] {
  return Array.from({ length: Math.ceil(requests.length / size) }, (_, i) => {
    const part = requests.slice(i * size, (i + 1) * size);
    return { ...part[0]!, image: stacked(part.map(({ image }) => image!)) };
  });
}

function stacked(images: readonly GraphValue[]): GraphValue {
  const [first] = images;
  const data = new Uint8Array(images.reduce((sum, image) => sum + image.data.length, 0));
  for (const [i, image] of images.entries()) data.set(image.data as Uint8Array, i * first!.data.length);
  return { type: first!.type, dims: [images.length, ...first!.dims.slice(1)], data };
}

/** What a graph says of one image. */
interface Output {
  readonly labels: Uint16Array;
  /** Empty where the graph has none. In a batch there may be more of them, with 0 for clusters that others of the batch have. */
  readonly scores: Float32Array;
}

async function outputsOf(session: InferenceSession, batches: readonly GraphValues[]): Promise<Output[]> {
  const outputs: Output[] = [];
  for (const feeds of batches) {
    const { labels, score } = await session.run(tensorsOf(feeds));
    const [images = 0] = labels!.dims;
    for (let i = 0; i < images; i++) {
      outputs.push({ labels: rowOf(labels!, i) as Uint16Array, scores: rowOf(score, i) as Float32Array });
    }
  }
  return outputs;
}

function rowOf(tensor: Tensor | undefined, row: number): ArrayLike<number> {
  if (!(tensor instanceof Tensor)) return new Float32Array();
  const length = tensor.size / tensor.dims[0]!;
  return (tensor.data as Float32Array).slice(row * length, (row + 1) * length);
}

function samePart(alone: readonly Output[], together: readonly Output[]): number {
  let [same, all] = [0, 0];
  for (const [i, { labels }] of alone.entries()) {
    const others = together[i]!.labels;
    for (let pixel = 0; pixel < labels.length; pixel++) if (labels[pixel] === others[pixel]) same++;
    all += labels.length;
  }
  return same / all;
}

function largestDifference(alone: readonly Output[], together: readonly Output[]): number {
  let largest = 0;
  for (const [i, { scores }] of alone.entries()) {
    const others = together[i]!.scores;
    for (let k = 0; k < Math.max(scores.length, others.length); k++) {
      largest = Math.max(largest, Math.abs((scores[k] ?? 0) - (others[k] ?? 0)));
    }
  }
  return largest;
}

async function main(options: Options): Promise<BenchResult> {
  const { batches, threads, rounds, superpixels } = options;
  const bundles = options.bundles ?? [...(await shippedBundles()).keys()];
  const results: object[] = [];
  for (const bundle of bundles) {
    const { manifest } = await openBundle(bundle);
    const found = await imagesFor(manifest.name);
    const files = pick(found.files, Math.max(...batches));
    const size = sizeFor(manifest);
    const sizes = [1, ...batches.filter((batch) => batch > 1)];
    const rows: Row[] = [];
    for (const count of threads) {
      const input: Input = { bundle, files, ...size, superpixels, batches: sizes, threads: count, rounds };
      rows.push(...rowsOf(input, await inChild<Run>("run", input)));
    }
    const model = await describeBundle(bundle);
    console.log(
      `\n${model}: ${files.length} images (${found.name}) of ${size.width} x ${size.height}, ${rounds} rounds\n`,
    );
    print(rows);
    results.push({ model, data: found.name, images: files.length, size: [size.width, size.height], rows });
  }
  return { bundles: results };
}

interface Row {
  readonly threads: number;
  readonly batch: number;
  readonly ms_per_image: number;
  readonly ratio_to_one: number;
  readonly same_labels: number;
  readonly score_difference: number;
  readonly peak_rss_mib: number;
}

function rowsOf({ batches, threads }: Input, { ms, sameLabels, scoreDifference, peak }: Run): Row[] {
  return batches.map((batch, i) => ({
    threads,
    batch,
    ms_per_image: rounded(median(ms[i]!)),
    ratio_to_one: rounded(medianRatio(ms[i]!, ms[0]!), 3),
    same_labels: sameLabels[i]!,
    score_difference: Number(scoreDifference[i]!.toPrecision(2)),
    peak_rss_mib: peak[i]!,
  }));
}

function print(rows: readonly Row[]): void {
  const head = [
    "threads",
    "images a batch",
    "ms an image",
    "/ one by one",
    "labels the same",
    "scores differ by",
    "peak RSS MiB",
  ];
  const part = (same: number): string => (same === 1 ? "all" : `${(100 * same).toFixed(4)} %`);
  const cells = rows.map((row) => [
    row.threads,
    row.batch,
    row.ms_per_image,
    row.ratio_to_one,
    part(row.same_labels),
    row.score_difference,
    row.peak_rss_mib,
  ]);
  console.log(table(head, cells));
}

/** One that the graph is run on whole: 3 : 2, the size it scales to or that of BSDS500. */
function sizeFor({ input: { scale } }: BundleManifest): { width: number; height: number } {
  const width = scale.mode === "fit" ? scale.long_side : 480;
  return { width, height: Math.round(width / 1.5) };
}

await bench<Options>({
  name: "batches",
  about: "several images of one size as one batch against one by one, in the graph alone",
  options: (command) =>
    command
      .option("--bundles <list>", "names or folders (default: all that ship)", (text: string) => text.split(","))
      .option("--batches <list>", "images a batch", counts, [1, 2, 4, 8])
      .option("--threads <list>", "threads of onnxruntime", counts, [1, availableParallelism()])
      .option("--rounds <n>", "times that all images are run in batches of each size", count, 3)
      .option("--superpixels <n>", "superpixels asked, for that task", count, 300),
  smoke: { bundles: ["clustseg-photo"], batches: [1, 2], threads: [1], rounds: 1 },
  children: { run },
  main,
});
