import { mkdir, readFile, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { sharp } from "../layers/model/libvips.js";
import { openModel } from "../layers/model/open-model.js";
import { createSegmenter } from "../layers/model/segmenter.js";
import {
  addBundleOption,
  type BenchResult,
  bench,
  type CommonOptions,
  count,
  inChild,
  nameWithBundle,
} from "./support/bench.js";
import { rounded } from "./support/figures.js";
import { runFolder } from "./support/folder-run.js";
import { exampleJpegs, withTemporaryFolder } from "./support/images.js";
import { type Asked, askOf, openBundle } from "./support/model.js";
import { describeBundle } from "./support/result.js";
import { type RssOverTime, reportRss, watchRss } from "./support/rss-over-time.js";

interface Options extends CommonOptions {
  readonly bundle: string;
  readonly images: number;
  readonly superpixels: number;
  readonly threads: number;
  readonly concurrency: number;
}

interface Input extends Options {
  readonly asked: Asked;
  readonly source: string;
  readonly out: string;
}

interface Run extends RssOverTime {
  readonly seconds: number;
}

const cores = availableParallelism();
const sampleMs = 20;

/** Different sizes, as memory that is kept for each shape shows only then: 160 to 800 pixels wide, in no order. */
async function makeImages(folder: string, images: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const originals = await Promise.all((await exampleJpegs()).map((file) => readFile(file)));
  for (let i = 0; i < images; i++) {
    // Multiples of a number that has no divisor in common with 641 pass through all widths before one comes again.
    const width = 160 + ((i * 257) % 641);
    const height = Math.round(width * (0.6 + ((i * 89) % 101) / 125));
    const jpeg = await sharp(originals[i % originals.length]!)
      .autoOrient()
      .resize(width, height, { fit: "cover", kernel: "linear" })
      .jpeg({ quality: 85 })
      .toBuffer({ resolveWithObject: true });
    await writeFile(join(folder, `${String(i).padStart(5, "0")}.jpg`), jpeg.data);
  }
}

async function run({ bundle, asked, source, out, images, threads, concurrency }: Input): Promise<Run> {
  const begin = performance.now();
  const rss = watchRss(images, sampleMs);
  const model = await openModel(bundle, { threads: 1, workers: threads });
  await runFolder({
    source,
    out,
    segmenter: createSegmenter(model),
    asked,
    concurrency,
    onEvent: (event) => {
      if (event.type === "item") rss.ended();
    },
  });
  const memory = rss.stop();
  await model.close();
  return { ...memory, seconds: (performance.now() - begin) / 1000 };
}

async function main(options: Options): Promise<BenchResult> {
  return withTemporaryFolder(async (folder) => {
    const source = join(folder, "source");
    await makeImages(source, options.images);
    const { manifest } = await openBundle(options.bundle);
    const asked = askOf(manifest, options.superpixels);
    const input: Input = { ...options, asked, source, out: join(folder, "out") };
    const { seconds, ...memory } = await inChild<Run>("run", input);
    const told = reportRss(`${options.images} images of different sizes, ${rounded(seconds, 0)} s`, memory);
    return {
      model: await describeBundle(options.bundle),
      ...asked,
      ...told,
      seconds: rounded(seconds, 1),
    };
  });
}

await bench<Options>({
  name: "memory",
  about: "resident memory of a process that segments many images of different sizes",
  resultName: nameWithBundle("memory"),
  options: (command) =>
    addBundleOption(command)
      .option("--images <n>", "images", count, 2000)
      .option("--superpixels <n>", "superpixels asked of each", count, 300)
      .option("--threads <n>", "workers, with one thread each; default as the command's: a core each", count, cores)
      .option("--concurrency <n>", "images in work at once; default as the command's: cores + 2", count, cores + 2),
  smoke: { images: 24, superpixels: 50 },
  children: { run },
  main,
});
