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
import { rounded } from "./support/figures.js";
import { withTemporaryFolder } from "./support/images.js";
import { type Asked, askOf, openBundle } from "./support/model.js";
import { describeBundle } from "./support/result.js";
import { type RssOverTime, reportRss, watchRss } from "./support/rss-over-time.js";

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

interface Run extends RssOverTime {
  readonly seconds: number;
  readonly stageSeconds: Readonly<Record<string, number>>;
  readonly shards: number;
}

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
  const rss = watchRss(images, sampleMs);
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
    onOutcome: () => rss.ended(),
  });
  const memory = rss.stop();
  await model.close();
  return { ...memory, seconds: (performance.now() - begin) / 1000, stageSeconds: seconds, shards };
}

async function main(options: Options): Promise<BenchResult> {
  return withTemporaryFolder(async (folder) => {
    await makeImages(join(folder, "source"), options);
    const { manifest } = await openBundle(options.bundle);
    const asked = askOf(manifest, options.superpixels);
    const { seconds, stageSeconds, shards, ...memory } = await inChild<Run>("run", { ...options, folder, asked });
    const told = reportRss(
      `${options.images} images of ${options.side} x ${options.side} pixels in ${shards} shards, ${rounded(seconds, 0)} s`,
      memory,
    );
    return {
      model: await describeBundle(options.bundle),
      ...asked,
      ...told,
      shards,
      seconds: rounded(seconds, 1),
      images_per_second: rounded(options.images / seconds, 1),
      stage_seconds: Object.fromEntries(stages.map((stage) => [stage, rounded(stageSeconds[stage] ?? 0, 1)])),
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
