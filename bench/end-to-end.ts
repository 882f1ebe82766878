import { readdir, readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Option } from "commander";
import { decodeImage } from "../layers/model/decode.js";
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
import { median, medianRatio, rounded, table } from "./support/figures.js";
import { runFolder } from "./support/folder-run.js";
import { copyInOrder, imagesFor, type Photographs, pick, picturesIn, withTemporaryFolder } from "./support/images.js";
import {
  type Asked,
  askOf,
  type Feeds,
  graphRequests,
  openBareSession,
  openBundle,
  tensorsOf,
} from "./support/model.js";
import { printProfile } from "./support/profile.js";
import { describeBundle, root } from "./support/result.js";
import { measureStages, type StagesInput, type StageTimes } from "./support/stages.js";

interface Options extends CommonOptions {
  readonly bundle: string;
  readonly task?: string;
  readonly source?: string;
  readonly images?: number;
  readonly superpixels: number;
  readonly threads: number;
  readonly pairs: number;
  readonly concurrency: number;
  readonly formats: string;
  readonly bareSpinning: "on" | "off";
  readonly profile: boolean;
}

interface SideInput {
  readonly bundle: string;
  readonly source: string;
  readonly out: string;
  readonly asked: Asked;
  readonly threads: number;
  readonly concurrency: number;
  readonly formats: readonly string[];
  readonly bareSpinning: boolean;
}

interface Side {
  readonly images: number;
  readonly seconds: number;
  /** Of all threads of the process. */
  readonly cpuSeconds: number;
  /** Part of the time in which the main thread was busy, 0 to 1. */
  readonly mainThread: number;
  /** Milliseconds that the graph ran, median over the images. */
  readonly graphMs: number;
}

const warmUps = 3;
const cores = availableParallelism();
/** What a side takes where nobody says how many images, so that the bench takes about two minutes with any bundle. */
const sideSeconds = 8;
const mostImages = 200;
/** With fewer the last one, on which one core works while the other waits, is too large a part, and sizes differ too much. */
const leastImages = 64;

/** Folder to folder through runPipeline; the model is open and warm, as that of a worker that has had a shard before. */
async function pipelineSide(input: SideInput): Promise<Side> {
  const { bundle, source, out, asked, threads, concurrency, formats } = input;
  const model = await openModel(bundle, { threads: 1, workers: threads });
  const segmenter = createSegmenter(model);
  // At once, so that each worker has one.
  const first = (await readdir(source)).sort().slice(0, Math.max(warmUps, threads));
  await Promise.all(
    first.map(async (file) =>
      segmenter.process(new Uint8Array(await readFile(join(source, file))), { ...asked, formats }),
    ),
  );
  const graphMs: number[] = [];
  const stop = startClocks();
  const report = await runFolder({
    source,
    out,
    segmenter,
    asked,
    formats,
    concurrency,
    onEvent: (event) => {
      if (event.type === "item" && event.outcome.status === "segmented") graphMs.push(event.outcome.ms.infer);
    },
  });
  const spent = stop();
  await model.close();
  return { images: report.items.segmented, ...spent, graphMs: median(graphMs) };
}

/** session.run and nothing else, on the very tensors that the pipeline gives the graph, in the same order. */
async function bareSide(input: SideInput): Promise<Side> {
  const { source, asked, threads, bareSpinning } = input;
  const bundle = await openBundle(input.bundle);
  const images: Feeds[][] = [];
  for (const file of (await readdir(source)).sort()) {
    const image = await decodeImage(new Uint8Array(await readFile(join(source, file))));
    images.push((await graphRequests(bundle, image, asked)).map(tensorsOf));
  }
  const session = await openBareSession(bundle, threads, bareSpinning);
  for (const feeds of images.slice(0, warmUps)) for (const feed of feeds) await session.run({ ...feed });
  const graphMs: number[] = [];
  const stop = startClocks();
  for (const feeds of images) {
    const begin = performance.now();
    for (const feed of feeds) await session.run({ ...feed });
    graphMs.push(performance.now() - begin);
  }
  const spent = stop();
  await session.release();
  return { images: images.length, ...spent, graphMs: median(graphMs) };
}

function startClocks(): () => Pick<Side, "seconds" | "cpuSeconds" | "mainThread"> {
  const begin = performance.now();
  const cpu = process.cpuUsage();
  const loop = performance.eventLoopUtilization();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return {
      seconds: (performance.now() - begin) / 1000,
      cpuSeconds: (user + system) / 1e6,
      mainThread: performance.eventLoopUtilization(loop).utilization,
    };
  };
}

async function main(options: Options): Promise<BenchResult> {
  const { bundle, superpixels, threads, pairs, concurrency, profile } = options;
  const formats = options.formats === "" ? [] : options.formats.split(",");
  const { manifest } = await openBundle(bundle);
  const asked = askOf(manifest, superpixels, options.task);
  const found = await (options.source === undefined ? imagesFor(manifest.name) : picturesIn(options.source));
  return withTemporaryFolder(async (folder) => {
    const source = join(folder, "source");
    let runs = 0;
    const input = (from = source): SideInput => ({
      bundle,
      source: from,
      out: join(folder, `out-${runs++}`),
      asked,
      threads,
      concurrency,
      formats,
      bareSpinning: options.bareSpinning === "on",
    });
    const images = options.images ?? (await imagesThatTake(sideSeconds, found, input(join(folder, "few"))));
    await copyInOrder(pick(found.files, images), source);
    if (profile) {
      const profiles = join(root, "bench", "results", "profiles");
      await inChild<Side>("pipeline", input(), { nodeArguments: ["--cpu-prof", `--cpu-prof-dir=${profiles}`] });
      await printProfile(profiles);
    }

    const ours: Side[] = [];
    const bare: Side[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      ours.push(await inChild<Side>("pipeline", input()));
      bare.push(await inChild<Side>("bare", input()));
    }
    const stagesInput: StagesInput = { ...input(), images: Math.min(images, 50) };
    const stages = await inChild<StageTimes>("stages", stagesInput);
    const what = { data: found.name, images, pictures: Math.min(images, found.files.length), asked };
    return report(options, what, ours, bare, stages);
  });
}

async function imagesThatTake(seconds: number, { files }: Photographs, input: SideInput): Promise<number> {
  await copyInOrder(pick(files, 2 * warmUps), input.source);
  const { images, seconds: taken } = await inChild<Side>("bare", input);
  return Math.min(Math.max(Math.round((seconds * images) / taken), leastImages), mostImages);
}

interface Measured {
  readonly data: string;
  readonly images: number;
  /** How many of them are different. */
  readonly pictures: number;
  readonly asked: Asked;
}

async function report(
  { bundle, threads, concurrency }: Options,
  { data, images, pictures, asked }: Measured,
  ours: readonly Side[],
  bare: readonly Side[],
  stages: StageTimes,
): Promise<BenchResult> {
  const rate = ({ images, seconds }: Side): number => images / seconds;
  const ratio = rounded(medianRatio(ours.map(rate), bare.map(rate)), 3);
  const summary = (sides: readonly Side[]) => ({
    images_per_second: rounded(median(sides.map(rate))),
    cpu_seconds: rounded(median(sides.map(({ cpuSeconds }) => cpuSeconds))),
    cpu_ms_per_image: rounded(median(sides.map(({ cpuSeconds, images }) => (cpuSeconds * 1000) / images))),
    main_thread_busy: rounded(median(sides.map(({ mainThread }) => mainThread)), 3),
    graph_ms: rounded(median(sides.map(({ graphMs }) => graphMs))),
  });
  const sides = { pipeline: summary(ours), "bare session.run": summary(bare) };
  const model = await describeBundle(bundle);
  console.log(`${images} images (${data}), ${model}, ${asked.task} ${JSON.stringify(asked.parameters)}`);
  console.log(`${threads} threads, ${concurrency} images in work, ${ours.length} pairs\n`);
  console.log(
    table(
      ["", "images/s", "CPU s", "CPU ms an image", "main thread busy", "graph ms"],
      Object.entries(sides).map(([side, s]) => [
        side,
        s.images_per_second,
        s.cpu_seconds,
        s.cpu_ms_per_image,
        `${Math.round(s.main_thread_busy * 100)} %`,
        s.graph_ms,
      ]),
    ),
  );
  console.log(`\npipeline / bare session.run: ${ratio} images/s (bar: >= 0.90)`);
  console.log("\nOne image at a time, median ms:\n");
  console.log(table(Object.keys(stages), [Object.values(stages)]));
  return {
    settings: { images },
    data,
    pictures,
    model,
    ...asked,
    ratio,
    pair_ratios: ours.map((side, i) => rounded(rate(side) / rate(bare[i]!), 3)),
    sides,
    stages_ms: stages,
  };
}

await bench<Options>({
  name: "end-to-end",
  about: "the whole pipeline, folder to folder, against a bare loop of session.run on decoded pixels",
  resultName: nameWithBundle("end-to-end"),
  options: (command) =>
    addBundleOption(command)
      .option("--task <name>", "one of the bundle's (default: its first)")
      .option("--source <folder>", "images to use (default: those of the bundle's kind, see README.md)")
      .option(
        "--images <n>",
        `images (default: what the bare loop does in ${sideSeconds} s, up to ${mostImages})`,
        count,
      )
      .option("--superpixels <n>", "superpixels asked of each", count, 300)
      .option(
        "--threads <n>",
        "threads of onnxruntime, on both sides; the pipeline has a worker for each",
        count,
        cores,
      )
      .option("--pairs <n>", "times that both sides are run, one after the other", count, 5)
      .option("--concurrency <n>", "images in work at once; default as the command's: cores + 2", count, cores + 2)
      .option("--formats <list>", "extra result files, such as overlay", "")
      .addOption(
        new Option("--bare-spinning <on|off>", "let the bare loop's idle threads spin, as onnxruntime does by itself")
          .choices(["on", "off"])
          .default("on"),
      )
      .option("--profile", "first run the pipeline once under Node's profiler and print where its threads are", false),
  smoke: { images: 2, pairs: 1 },
  children: { pipeline: pipelineSide, bare: bareSide, stages: measureStages },
  main,
});
