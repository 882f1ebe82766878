import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeImage } from "../layers/model/decode.js";
import { type Model, openModel } from "../layers/model/open-model.js";
import { classifiedTable } from "../layers/segments/table.js";
import {
  type BenchResult,
  bench,
  type CommonOptions,
  count,
  counts,
  inChild,
  inProgram,
  SetupError,
} from "./support/bench.js";
import { median, medianRatio, rounded, table } from "./support/figures.js";
import { photographs, pick, picturesIn, scaledJpegs, withTemporaryFolder } from "./support/images.js";
import { peakRssMib } from "./support/memory.js";
import { openBundle } from "./support/model.js";
import { usualPython } from "./support/python.js";
import { describeBundle } from "./support/result.js";
import {
  installedTransformersJs,
  installTransformersJs,
  type LogitsModel,
  logitsModel,
  transformersJsProgram,
} from "./support/transformersjs.js";

interface Options extends CommonOptions {
  readonly bundle: string;
  readonly source?: string;
  readonly images: number;
  readonly longSides: number[];
  readonly pairs: number;
  readonly python: string;
}

interface SideInput {
  readonly bundle: string;
  readonly files: readonly string[];
  readonly warmUps: number;
  /** Where to write the class of each pixel, a file an image, after the measurement. */
  readonly classesTo?: string;
}

/** What a side answers; peers/transformersjs/segment.mjs answers the same. */
interface Side {
  readonly images: number;
  readonly seconds: number;
  /** Of all threads of the process. */
  readonly cpuSeconds: number;
  /** Milliseconds of the graph, image by image. */
  readonly graphMs: readonly number[];
  readonly segments: number;
  /** MiB. */
  readonly peak: number;
}

const [ours, theirs] = ["ClustSeg", "transformers.js"] as const;
const noClass = 255;

/** Bytes of a file to the segment map and its table, one image after the other: what `segmentImage` does. */
async function segment(model: Model, bytes: Uint8Array) {
  const image = await decodeImage(bytes);
  const { map, classes, graphMs } = await model.segment(image, {}, { task: "panoptic" });
  return { map, rows: classifiedTable(map, image.data, classes), graphMs };
}

async function ourSide({ bundle, files, warmUps, classesTo }: SideInput): Promise<Side> {
  const model = await openModel(bundle, { threads: 1 });
  const images = await Promise.all(files.map(async (file) => new Uint8Array(await readFile(file))));
  for (const bytes of images.slice(0, warmUps)) await segment(model, bytes);
  const graphMs: number[] = [];
  const cpu = process.cpuUsage();
  const begin = performance.now();
  let segments = 0;
  for (const bytes of images) {
    const found = await segment(model, bytes);
    segments += found.rows.length;
    graphMs.push(found.graphMs);
  }
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const peak = peakRssMib();
  if (classesTo !== undefined) {
    const index = new Map(model.manifest.classes.map(({ id }, i) => [id, i]));
    for (const [i, bytes] of images.entries()) {
      const { map, rows } = await segment(model, bytes);
      const classOf = [noClass, ...rows.map(({ categoryId }) => index.get(categoryId ?? -1) ?? noClass)];
      await writeFile(
        join(classesTo, `${i}`),
        Uint8Array.from(map.ids, (id) => classOf[id]!),
      );
    }
  }
  await model.close();
  return { images: images.length, seconds, cpuSeconds: (user + system) / 1e6, graphMs, segments, peak };
}

interface Peer {
  readonly version: string;
  readonly model: LogitsModel;
  readonly threshold: number;
}

async function preparePeer({ bundle: name, python, smoke }: Options): Promise<Peer | undefined> {
  if (smoke && (await installedTransformersJs()) === undefined) {
    console.log(
      "Only ClustSeg is run, as transformers.js is not installed. To compare, run this bench without --smoke.\n",
    );
    return undefined;
  }
  const bundle = await openBundle(name);
  try {
    const model = await logitsModel(bundle, python);
    return { version: await installTransformersJs(), model, threshold: bundle.manifest.defaults.threshold ?? 0.5 };
  } catch (error) {
    if (!smoke || !(error instanceof SetupError)) throw error;
    console.log(`Only ClustSeg is run: ${error.message}\n`);
    return undefined;
  }
}

async function main(options: Options): Promise<BenchResult> {
  const { bundle, source, images, longSides } = options;
  const peer = await preparePeer(options);
  const found = await (source === undefined ? photographs() : picturesIn(source));
  const sizes: object[] = [];
  const model = await describeBundle(bundle);
  console.log(`${images} images (${found.name}), ${model}, 1 thread each, ${options.pairs} pairs`);
  console.log("bytes of the file to the segment map, one image after the other, a process each");
  for (const longSide of longSides) {
    const compared = await withTemporaryFolder(async (folder) => {
      const files = await scaledJpegs(pick(found.files, images), longSide, folder);
      return compare(options, files, peer, folder);
    });
    sizes.push({ long_side: longSide, ...report(longSide, compared) });
  }
  return { data: found.name, model, ...(peer === undefined ? {} : { transformersjs: peer.version }), sizes };
}

type Sides = Readonly<Record<typeof ours | typeof theirs, Side[]>>;

interface Compared {
  readonly sides: Sides;
  /** The part of pixels to which both sides give the same class. */
  readonly same: number | undefined;
}

/** Both sides by turns over the same files, a process for each turn. */
async function compare(
  { bundle, pairs }: Options,
  files: readonly string[],
  peer: Peer | undefined,
  folder: string,
): Promise<Compared> {
  // libvips' threads would be a second one beside the graph's.
  const env = { VIPS_CONCURRENCY: "1" };
  const sides: Sides = { [ours]: [], [theirs]: [] };
  for (let pair = 0; pair < pairs; pair++) {
    const common = { files, warmUps: 3 };
    const toCompare = async (side: string) => {
      if (pair > 0) return {};
      await mkdir(join(folder, side));
      return { classesTo: join(folder, side) };
    };
    const input: SideInput = { bundle, ...common, ...(await toCompare(ours)) };
    sides[ours].push(await inChild<Side>("ours", input, { env }));
    if (peer === undefined) continue;
    const { model, threshold } = peer;
    const given = { folder: model.folder, model: model.name, threshold, ...common, ...(await toCompare(theirs)) };
    sides[theirs].push(await inProgram<Side>(transformersJsProgram, [], given, { env }));
  }
  return { sides, same: peer === undefined ? undefined : await samePixels(folder, files.length) };
}

/** Mean over images. */
async function samePixels(folder: string, images: number): Promise<number> {
  const parts: number[] = [];
  for (let i = 0; i < images; i++) {
    const [a, b] = await Promise.all([ours, theirs].map((side) => readFile(join(folder, side, `${i}`))));
    // Where transformers.js finds nothing it has no mask, and so no size.
    const same = a!.reduce((sum, value, pixel) => sum + (value === (b![pixel] ?? noClass) ? 1 : 0), 0);
    parts.push(same / a!.length);
  }
  return parts.reduce((sum, part) => sum + part, 0) / images;
}

function report(longSide: number, { sides, same }: Compared): object {
  const rate = ({ images, seconds }: Side): number => images / seconds;
  const measured = Object.entries(sides).filter(([, runs]) => runs.length > 0);
  const rows = measured.map(([side, runs]) => ({
    side,
    images_per_second: rounded(median(runs.map(rate))),
    ms_per_image: rounded(median(runs.map((run) => 1000 / rate(run)))),
    graph_ms: rounded(median(runs.flatMap(({ graphMs }) => graphMs))),
    cpu_ms_per_image: rounded(median(runs.map(({ cpuSeconds, images }) => (cpuSeconds * 1000) / images))),
    segments_per_image: rounded(median(runs.map(({ segments, images }) => segments / images))),
    peak_rss_mib: median(runs.map(({ peak }) => peak)),
  }));
  console.log(`\n${longSide} pixels on the long side:\n`);
  console.log(
    table(
      ["", "images/s", "ms an image", "graph ms", "CPU ms", "segments", "peak RSS MiB"],
      rows.map((row) => Object.values(row)),
    ),
  );
  if (same === undefined) return { sides: rows };
  const rates = (side: typeof ours | typeof theirs): number[] => sides[side].map(rate);
  const ratio = rounded(medianRatio(rates(ours), rates(theirs)), 3);
  const peaks = rows.map(({ peak_rss_mib: peak }) => peak);
  const memory = rounded(peaks[0]! / peaks[1]!, 3);
  console.log(`\nClustSeg / transformers.js: ${ratio} images/s (bar: >= 2), ${memory} peak memory`);
  console.log(`both give the same class to ${rounded(100 * same, 1)} % of the pixels`);
  return {
    ratio,
    memory_ratio: memory,
    pair_ratios: sides[theirs].map((side, i) => rounded(rate(sides[ours][i]!) / rate(side), 3)),
    same_class: rounded(same, 4),
    sides: rows,
  };
}

await bench<Options>({
  name: "panoptic-vs-transformersjs",
  about: "image files to panoptic segment maps, against transformers.js post-processing the same network",
  options: (command) =>
    command
      .option("--bundle <name|dir>", "a bundle that does panoptic", "clustseg-photo")
      .option("--source <folder>", "images to use (default: see README.md)")
      .option("--images <n>", "images", count, 30)
      .option(
        "--long-sides <list>",
        "pixels on the long side of the JPEGs, which are scaled to it first",
        counts,
        [500, 1280],
      )
      .option("--pairs <n>", "times that both sides are run, one after the other", count, 5)
      .option("--python <program>", "a Python that has onnx, to write the network in MaskFormer's form", usualPython()),
  smoke: { images: 2, longSides: [500], pairs: 1 },
  children: { ours: ourSide },
  main,
});
