import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { InvalidArgumentError } from "commander";
import { readPrices } from "../bin/cloud/prices.js";
import { readFigures } from "./scale/figures.js";
import { fillPlaces, type ScaleReport, type ScaleRun, scaleReport, usualQuestion } from "./scale/report.js";
import { type BenchResult, bench, type CommonOptions, count, counts } from "./support/bench.js";
import { rounded } from "./support/figures.js";
import { root } from "./support/result.js";

interface Options extends CommonOptions {
  readonly model: string;
  readonly megapixels: number;
  readonly images: readonly number[];
  readonly machines: readonly number[];
  readonly prefixes: number;
  readonly gpu: string;
  readonly cpu: string;
  readonly seed: number;
  readonly seeds: number;
}

const isUsual = ({ model }: Options): boolean => model === usualQuestion.model;

async function main(options: Options): Promise<BenchResult> {
  const prices = readPrices();
  const seeds = Array.from({ length: options.seeds }, (_, i) => options.seed + i);
  const report = scaleReport(readFigures(), prices, { ...options, seeds });
  console.log(`${options.model}, ${options.megapixels} megapixels an image; ${prices.region}, ${prices.as_of}`);
  for (const [name, text] of Object.entries(report.tables)) console.log(`\n## ${name}\n\n${text}`);
  if (options.record && isUsual(options)) await writeDocument(report);
  const { shards, runs, limits, largest } = report;
  return {
    as_of: prices.as_of,
    region: prices.region,
    shards: shards.map(({ kind, chosen, tried }) => ({
      machines: kind.name,
      chosen: chosen.shardImages,
      tried: tried.map(({ shardSeconds, wallSeconds, perThousand, ...one }) => ({
        ...one,
        seconds_of_work: rounded(shardSeconds, 1),
        seconds: Math.round(wallSeconds),
        dollars_per_1000: rounded(perThousand, 5),
      })),
    })),
    runs: runs.map(inShort),
    images_of_a_run_at_most: largest,
    limits: limits.map(({ quota, limit, demand, at, by }) => ({
      quota,
      limit,
      demand: rounded(demand, 2),
      binds_at: Math.round(at),
      of: by,
    })),
  };
}

function inShort(run: ScaleRun): object {
  return {
    machines: run.kind,
    at_most: run.fleet,
    images: run.images,
    runs: run.runs,
    shards: run.shards,
    machines_used: run.machines,
    seconds: Math.round(run.wallSeconds),
    machine_seconds: Math.round(run.machineSeconds),
    seconds_of_work: Math.round(run.workSeconds),
    interruptions: rounded(run.interruptions, 1),
    failed_shards: rounded(run.failedShards, 1),
    dollars: Object.fromEntries(
      Object.entries(run.dollars).map(([name, value]) => [name, Number(value.toPrecision(4))]),
    ),
  };
}

/** docs/scale.md's tables, and its pictures. */
async function writeDocument({ tables, pictures }: ScaleReport): Promise<void> {
  const document = join(root, "docs", "scale.md");
  await writeFile(document, fillPlaces(await readFile(document, "utf8"), tables));
  console.log("\nwritten: docs/scale.md");
  const folder = join(root, "docs", "images");
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(pictures)) {
    await writeFile(join(folder, name), text);
    console.log(`written: docs/images/${name}`);
  }
}

function positive(text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("Expected a number above 0.");
}

await bench<Options>({
  name: "scale",
  about: "a simulation: time, dollars and shard size from 1,000 to 100 million images, and which quota binds when",
  resultName: (options) => (isUsual(options) ? "scale" : `scale-${options.model}`),
  options: (command) =>
    command
      .option("--model <name>", "the model, as the price table names it", usualQuestion.model)
      .option("--megapixels <n>", "of one image", positive, usualQuestion.megapixels)
      .option("--images <list>", "numbers of images", counts, [...usualQuestion.images])
      .option("--machines <list>", "machines at most", counts, [...usualQuestion.machines])
      .option("--prefixes <n>", "folders that keys are spread over: S3 limits each", count, usualQuestion.prefixes)
      .option("--gpu <type>", "machine of the price table", usualQuestion.gpu)
      .option("--cpu <type>", "machine of the price table", usualQuestion.cpu)
      .option("--seed <n>", "the first seed", count, 1)
      .option("--seeds <n>", "seeds whose mean is taken", count, usualQuestion.seeds.length),
  smoke: { images: [1000, 100_000], machines: [4, 50], seeds: 1 },
  main,
});
