import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { sharp } from "../layers/model/libvips.js";
import { openModel } from "../layers/model/open-model.js";
import { createSegmenter } from "../layers/model/segmenter.js";
import { FolderStore } from "../layers/storage/folder-store.js";
import {
  addBundleOption,
  type BenchResult,
  bench,
  type CommonOptions,
  count,
  inChild,
  nameWithBundle,
} from "./support/bench.js";
import { runAsCloud, stages } from "./support/cloud-run.js";
import { rounded, table } from "./support/figures.js";
import { withTemporaryFolder } from "./support/images.js";
import { peakRssMib, rssMib } from "./support/memory.js";
import { type Asked, askOf, openBundle } from "./support/model.js";
import { describeBundle } from "./support/result.js";

interface Options extends CommonOptions {
  readonly bundle: string;
  readonly images: number;
  readonly side: number;
  readonly superpixels: number;
  readonly shard: number;
  readonly workers: number;
}

interface Input extends Options {
  readonly folder: string;
  readonly asked: Asked;
}

interface Run {
  /** The largest resident set while each of `parts` equal parts of the images came to their end, MiB. */
  readonly maxima: number[];
  readonly peak: number;
  readonly seconds: number;
  readonly stageSeconds: Readonly<Record<string, number>>;
  readonly shards: number;
}

const parts = 40;
const sampleMs = 50;
const cores = availableParallelism();

/** Different pictures, so that nothing is found twice: blocks whose colours depend on the number. */
async function makeImages(folder: string, { images, side }: Options): Promise<void> {
  await mkdir(folder, { recursive: true });
  const cell = Math.max(1, side >> 2);
  for (let i = 0; i < images; i++) {
    const data = new Uint8Array(side * side * 3);
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const block = Math.floor(y / cell) * 5 + Math.floor(x / cell);
        data.fill((i * 37 + block * 71) % 256, (y * side + x) * 3, (y * side + x) * 3 + 3);
        data[(y * side + x) * 3 + (block % 3)] = (i * 11) % 256;
      }
    }
    const raw = { width: side, height: side, channels: 3 as const };
    await writeFile(
      join(folder, `${String(i).padStart(6, "0")}.png`),
      await sharp(data, { raw }).png({ compressionLevel: 1 }).toBuffer(),
    );
  }
}

async function run({ folder, asked, bundle, images, shard, workers }: Input): Promise<Run> {
  const begin = performance.now();
  const maxima = new Array<number>(parts).fill(0);
  let done = 0;
  const sample = (): void => {
    const part = Math.min(parts - 1, Math.floor((done * parts) / images));
    maxima[part] = Math.max(maxima[part]!, rssMib());
  };
  const timer = setInterval(sample, sampleMs);
  const model = await openModel(bundle, { threads: 1, workers });
  const { seconds, shards } = await runAsCloud({
    stores: {
      uploads: new FolderStore(join(folder, "source")),
      staging: new FolderStore(join(folder, "staging")),
      results: new FolderStore(join(folder, "results")),
    },
    segmenter: createSegmenter(model),
    asked,
    shardImages: shard,
    concurrency: workers + 2,
    onOutcome: () => {
      sample();
      done++;
    },
  });
  clearInterval(timer);
  await model.close();
  return { maxima, peak: peakRssMib(), seconds: (performance.now() - begin) / 1000, stageSeconds: seconds, shards };
}

async function main(options: Options): Promise<BenchResult> {
  return withTemporaryFolder(async (folder) => {
    await makeImages(join(folder, "source"), options);
    const { manifest } = await openBundle(options.bundle);
    const asked = askOf(manifest, options.superpixels);
    const { maxima, peak, seconds, stageSeconds, shards } = await inChild<Run>("run", { ...options, folder, asked });
    const quarters = [0, 1, 2, 3].map((quarter) =>
      Math.max(...maxima.slice((quarter * parts) / 4, ((quarter + 1) * parts) / 4)),
    );
    const ratio = rounded(quarters[3]! / quarters[1]!, 3);
    console.log(
      `${options.images} images of ${options.side} x ${options.side} pixels in ${shards} shards, ${rounded(seconds, 0)} s; largest RSS in each quarter, MiB\n`,
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
      shards,
      seconds: rounded(seconds, 1),
      images_per_second: rounded(options.images / seconds, 1),
      stage_seconds: Object.fromEntries(stages.map((stage) => [stage, rounded(stageSeconds[stage] ?? 0, 1)])),
      maxima_mib: maxima.map((mib) => rounded(mib, 1)),
    };
  });
}

await bench<Options>({
  name: "soak",
  about: "resident memory of one process that takes very many tiny images through the cloud's stages",
  resultName: nameWithBundle("soak"),
  options: (command) =>
    addBundleOption(command)
      .option("--images <n>", "images", count, 20_000)
      .option("--side <n>", "width and height of each, pixels", count, 48)
      .option("--superpixels <n>", "superpixels asked of each", count, 16)
      .option("--shard <n>", "images a shard; default as the stack's", count, 1000)
      .option("--workers <n>", "copies of the graph at work; default as the container's: a core each", count, cores),
  smoke: { images: 60, shard: 20 },
  children: { run },
  main,
});
