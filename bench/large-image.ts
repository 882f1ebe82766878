import { mkdir, readFile, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { sharp } from "../layers/model/libvips.js";
import { openModel } from "../layers/model/open-model.js";
import { createSegmenter } from "../layers/model/segmenter.js";
import { type BenchResult, bench, type CommonOptions, count, counts, inChild } from "./support/bench.js";
import { rounded, table } from "./support/figures.js";
import { runFolder } from "./support/folder-run.js";
import { exampleJpegs, withTemporaryFolder } from "./support/images.js";
import { peakRssMib } from "./support/memory.js";
import { describeBundle } from "./support/result.js";

interface Options extends CommonOptions {
  readonly megapixels: number;
  readonly superpixels: number[];
  readonly threads: number;
  readonly formats: string;
}

interface Input {
  readonly source: string;
  readonly out: string;
  readonly superpixels: number;
  readonly threads: number;
  readonly formats: readonly string[];
}

interface Run {
  readonly found: number;
  readonly peak: number;
  readonly seconds: number;
  readonly ms: Readonly<Record<"decode" | "infer" | "encode", number>>;
}

/** A camera's frame, 3 : 2, of enlarged examples side by side: detail everywhere. */
async function makeImage(folder: string, megapixels: number): Promise<{ width: number; height: number }> {
  const [columns, rows] = [3, 2];
  const height = rows * Math.round(Math.sqrt((megapixels * 1e6) / 1.5) / rows);
  const width = columns * Math.round((1.5 * height) / columns);
  const [w, h] = [width / columns, height / rows];
  const files = await exampleJpegs();
  const pieces = Array.from({ length: columns * rows }, async (_, i) => ({
    input: await sharp(await readFile(files[i % files.length]!))
      .resize(w, h, { fit: "cover" })
      .png({ compressionLevel: 1 })
      .toBuffer(),
    left: (i % columns) * w,
    top: Math.floor(i / columns) * h,
  }));
  const { data } = await sharp({ create: { width, height, channels: 3, background: "#808080" } })
    .composite(await Promise.all(pieces))
    .jpeg({ quality: 90 })
    .toBuffer({ resolveWithObject: true });
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "large.jpg"), data);
  return { width, height };
}

async function run({ source, out, superpixels, threads, formats }: Input): Promise<Run> {
  const model = await openModel(undefined, { threads: 1, workers: threads });
  const begin = performance.now();
  let ms: Run["ms"] | undefined;
  const report = await runFolder({
    source,
    out,
    segmenter: createSegmenter(model),
    asked: { task: "superpixel", parameters: { superpixels } },
    formats,
    onEvent: (event) => {
      if (event.type === "item" && event.outcome.status === "segmented") ms = event.outcome.ms;
    },
  });
  const seconds = (performance.now() - begin) / 1000;
  await model.close();
  if (ms === undefined || report.segments === undefined) throw new Error("the image was not segmented");
  return { found: report.segments.max, peak: peakRssMib(), seconds, ms };
}

async function main({ megapixels, superpixels, threads, formats }: Options): Promise<BenchResult> {
  return withTemporaryFolder(async (folder) => {
    const source = join(folder, "source");
    const { width, height } = await makeImage(source, megapixels);
    const rows: (Run & { superpixels: number })[] = [];
    for (const k of superpixels) {
      const input: Input = {
        source,
        out: join(folder, `out-${k}`),
        superpixels: k,
        threads,
        formats: formats === "" ? [] : formats.split(","),
      };
      rows.push({ superpixels: k, ...(await inChild<Run>("run", input)) });
    }
    console.log(`${width} x ${height}, ${threads} threads, a process each; ms of the stages\n`);
    console.log(
      table(
        ["K asked", "found", "peak RSS MiB", "s", "decode", "graph", "encode"],
        rows.map(({ superpixels: k, found, peak, seconds, ms }) => [
          k,
          found,
          peak,
          rounded(seconds),
          ...[ms.decode, ms.infer, ms.encode].map((value) => rounded(value, 0)),
        ]),
      ),
    );
    const peak = Math.max(...rows.map((row) => row.peak));
    console.log(`\npeak RSS: ${peak} MiB (bar: <= 2048)`);
    return {
      model: await describeBundle(),
      size: [width, height],
      peak_rss_mib: peak,
      runs: rows.map(({ superpixels: k, found, peak: mib, seconds, ms }) => ({
        superpixels: k,
        found,
        peak_rss_mib: mib,
        seconds: rounded(seconds),
        ms: Object.fromEntries(Object.entries(ms).map(([stage, value]) => [stage, rounded(value, 0)])),
      })),
    };
  });
}

await bench<Options>({
  name: "large-image",
  about: "memory and time of one large photograph",
  options: (command) =>
    command
      .option("--megapixels <n>", "size of the photograph", count, 24)
      .option("--superpixels <list>", "superpixels asked", counts, [1000, 5000])
      .option("--threads <n>", "workers, with one thread each, as the command has them", count, availableParallelism())
      .option("--formats <list>", "extra result files, such as overlay", ""),
  smoke: { megapixels: 2, superpixels: [100] },
  children: { run },
  main,
});
