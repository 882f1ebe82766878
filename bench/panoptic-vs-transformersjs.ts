import { mkdir, readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
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
import { imagesFor, pick, picturesIn, scaledJpegs, withTemporaryFolder } from "./support/images.js";
import { openBundle } from "./support/model.js";
import { noClass, type PanopticInput, type PanopticSide, segmentTimed } from "./support/panoptic-side.js";
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
  readonly threads: number[];
  readonly pairs: number;
  readonly python: string;
}

const [ours, theirs] = ["ClustSeg", "transformers.js"] as const;

interface Peer {
  readonly version: string;
  readonly model: LogitsModel;
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
    return { version: await installTransformersJs(), model };
  } catch (error) {
    if (!smoke || !(error instanceof SetupError)) throw error;
    console.log(`Only ClustSeg is run: ${error.message}\n`);
    return undefined;
  }
}

async function main(options: Options): Promise<BenchResult> {
  const { bundle, source, images, longSides } = options;
  const peer = await preparePeer(options);
  const { manifest } = await openBundle(bundle);
  const found = await (source === undefined ? imagesFor(manifest.name) : picturesIn(source));
  const model = await describeBundle(bundle);
  console.log(`${images} images (${found.name}), ${model}, ${options.pairs} pairs: a process each, by turns`);
  const runs: object[] = [];
  for (const longSide of longSides) {
    await withTemporaryFolder(async (folder) => {
      const files = await scaledJpegs(pick(found.files, images), longSide, folder);
      for (const threads of options.threads) {
        const compared = await compare(options, { files, threads }, peer);
        runs.push({ long_side: longSide, threads, ...report({ longSide, threads }, compared) });
      }
    });
  }
  return { data: found.name, model, ...(peer === undefined ? {} : { transformersjs: peer.version }), runs };
}

type Sides = Readonly<Record<typeof ours | typeof theirs, PanopticSide[]>>;

interface Compared {
  readonly sides: Sides;
  /** The part of pixels to which both sides give the same class. */
  readonly same: number | undefined;
}

/** Both sides by turns over the same files, a process for each turn. */
async function compare(
  { bundle, pairs }: Options,
  { files, threads }: { readonly files: readonly string[]; readonly threads: number },
  peer: Peer | undefined,
): Promise<Compared> {
  // libvips' threads would come on top of the graph's.
  const env = { VIPS_CONCURRENCY: "1" };
  const common = { files, threads, warmUps: 3, together: 10 };
  const sides: Sides = { [ours]: [], [theirs]: [] };
  return withTemporaryFolder(async (folder) => {
    for (let pair = 0; pair < pairs; pair++) {
      const toCompare = async (side: string) => {
        if (pair > 0) return {};
        await mkdir(join(folder, side));
        return { classesTo: join(folder, side) };
      };
      const input: PanopticInput = { bundle, ...common, ...(await toCompare(ours)) };
      sides[ours].push(await inChild<PanopticSide>("ours", input, { env }));
      if (peer === undefined) continue;
      const { folder: models, name } = peer.model;
      const given = { folder: models, model: name, ...common, ...(await toCompare(theirs)) };
      sides[theirs].push(await inProgram<PanopticSide>(transformersJsProgram, [], given, { env }));
    }
    return { sides, same: peer === undefined ? undefined : await samePixels(folder, files.length) };
  });
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

function report(
  { longSide, threads }: { readonly longSide: number; readonly threads: number },
  { sides, same }: Compared,
): object {
  const rate = ({ images, seconds }: PanopticSide): number => images / seconds;
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
  console.log(`\n${longSide} pixels on the long side, ${threads} ${threads === 1 ? "thread" : "threads"}:\n`);
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
  about: "pixels to panoptic segment maps, against transformers.js post-processing the same network",
  options: (command) =>
    command
      .option("--bundle <name|dir>", "a bundle that does panoptic", "clustseg-photo")
      .option("--source <folder>", "images to use (default: see README.md)")
      .option("--images <n>", "images", count, 30)
      .option(
        "--long-sides <list>",
        "pixels on the long side of the images, which are scaled to it first",
        counts,
        [320, 500, 1280],
      )
      .option("--threads <list>", "threads that each side may use", counts, [...new Set([1, availableParallelism()])])
      .option("--pairs <n>", "times that both sides are run, one after the other", count, 5)
      .option("--python <program>", "a Python that has onnx, to write the network in MaskFormer's form", usualPython()),
  smoke: { images: 2, longSides: [500], threads: [1], pairs: 1 },
  children: { ours: segmentTimed },
  main,
});
