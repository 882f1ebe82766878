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
import { rounded, table } from "./support/figures.js";
import { runFolder } from "./support/folder-run.js";
import { exampleJpegs, withTemporaryFolder } from "./support/images.js";
import { peakRssMib, rssMib } from "./support/memory.js";
import { type Asked, askOf, openBundle } from "./support/model.js";
import { describeBundle } from "./support/result.js";

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

interface Run {
  /** The largest resident set while each of `parts` equal parts of the images came to their end, MiB. */
  readonly maxima: number[];
  readonly peak: number;
  readonly seconds: number;
}

const cores = availableParallelism();
const parts = 40;
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
  const maxima = new Array<number>(parts).fill(0);
  let done = 0;
  const sample = (): void => {
    const part = Math.min(parts - 1, Math.floor((done * parts) / images));
    maxima[part] = Math.max(maxima[part]!, rssMib());
  };
  const timer = setInterval(sample, sampleMs);
  const model = await openModel(bundle, { threads: 1, workers: threads });
  await runFolder({
    source,
    out,
    segmenter: createSegmenter(model),
    asked,
    concurrency,
    onEvent: (event) => {
      if (event.type !== "item") return;
      sample();
      done++;
    },
  });
  clearInterval(timer);
  await model.close();
  return { maxima, peak: peakRssMib(), seconds: (performance.now() - begin) / 1000 };
}

async function main(options: Options): Promise<BenchResult> {
  return withTemporaryFolder(async (folder) => {
    const source = join(folder, "source");
    await makeImages(source, options.images);
    const { manifest } = await openBundle(options.bundle);
    const asked = askOf(manifest, options.superpixels);
    const input: Input = { ...options, asked, source, out: join(folder, "out") };
    const { maxima, peak, seconds } = await inChild<Run>("run", input);
    const quarters = [0, 1, 2, 3].map((quarter) =>
      Math.max(...maxima.slice((quarter * parts) / 4, ((quarter + 1) * parts) / 4)),
    );
    const ratio = rounded(quarters[3]! / quarters[1]!, 3);
    console.log(
      `${options.images} images of different sizes, ${rounded(seconds, 0)} s; largest RSS in each quarter, MiB\n`,
    );
    console.log(
      table(["first", "second", "third", "last", "peak"], [[...quarters.map((mib) => rounded(mib, 0)), peak]]),
    );
    console.log(`\nlast quarter / second quarter: ${ratio} (bar: <= 1.1)`);
    return {
      model: await describeBundle(options.bundle),
      ...asked,
      last_to_second_quarter: ratio,
      quarters_mib: quarters.map((mib) => rounded(mib, 1)),
      peak_mib: peak,
      seconds: rounded(seconds, 1),
      maxima_mib: maxima.map((mib) => rounded(mib, 1)),
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
