import { join } from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import { planRun } from "../functions/plan/plan-run.js";
import { submittedSource } from "../functions/plan/submitted-source.js";
import type { Pipeline } from "../layers/pipeline/cloud-contracts.js";
import { systemClock } from "../layers/pipeline/ports.js";
import { FolderStore } from "../layers/storage/folder-store.js";
import { parseS3Uri, S3Store } from "../layers/storage/s3-store.js";
import { type BenchResult, bench, type CommonOptions, count, counts, inChild } from "./support/bench.js";
import { median, medianRatio, rounded, table } from "./support/figures.js";
import { withTemporaryFolder } from "./support/images.js";
import { serveListing } from "./support/listing-server.js";
import { peakRssMib } from "./support/memory.js";

const sources = ["listing", "inventory"] as const;
type Source = (typeof sources)[number];

interface Options extends CommonOptions {
  readonly images: number[];
  readonly rounds: number;
  readonly shard: number;
}

interface Input {
  readonly source: Source;
  readonly images: number;
  readonly shard: number;
  readonly endpoint: string;
  readonly folder: string;
}

interface Run {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peak: number;
  readonly shards: number;
}

const pipeline: Pipeline = {
  name: "bench",
  model: { name: "bench", version: "1.0.0", sha256: "0".repeat(64), tasks: ["superpixel"] },
  task: "superpixel",
  parameters: { superpixels: 300 },
  formats: [],
};
const memoryBar = 256;

/** The plan function's own code: the SDK parses S3's answers, the manifest and the shards are written to a folder. */
async function measure({ source, images, shard, endpoint, folder }: Input): Promise<Run> {
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: "bench", secretAccessKey: "bench" },
  });
  const open = (uri: string) => {
    const { bucket, key } = parseS3Uri(uri);
    return new S3Store({ bucket, prefix: key, client });
  };
  const uploads = open("s3://uploads/");
  const staging = new FolderStore(folder);
  const submit =
    source === "listing"
      ? { prefix: "", run_id: "bench" }
      : { inventory: "s3://uploads/inventory/manifest.json", run_id: "bench" };
  const begin = performance.now();
  const planned = await planRun(
    { pipeline: pipeline.name, submit },
    {
      uploads,
      staging,
      resultsOf: () => open("s3://results/"),
      sourceOf: (given) => submittedSource(given, { uploads, staging, open }),
      pipelines: [pipeline],
      shard: { items: shard, bytes: 2 * 1024 ** 3 },
      quick: undefined,
      clock: systemClock,
    },
  );
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage();
  client.destroy();
  if (planned.items !== images) throw new Error(`${planned.items} of ${images} images were planned`);
  return { seconds, cpuSeconds: (user + system) / 1e6, peak: peakRssMib(), shards: planned.shards };
}

async function main({ images: asked, rounds, shard }: Options): Promise<BenchResult> {
  const cases = sources.flatMap((source) => asked.map((images) => ({ source, images })));
  const runs = new Map(cases.map((one) => [one, [] as Run[]]));
  for (let round = 0; round < rounds; round++) {
    for (const one of cases) {
      const server = await serveListing(one.images);
      await withTemporaryFolder(async (temporary) => {
        const input = { ...one, shard, endpoint: server.endpoint, folder: join(temporary, "staging") };
        runs.get(one)!.push(await inChild<Run>("measure", input));
      }).finally(() => server.close());
    }
  }
  const rows = cases.map((one) => {
    const of = runs.get(one)!;
    return {
      ...one,
      seconds: rounded(median(of.map(({ seconds }) => seconds))),
      cpu_us_per_image: rounded((median(of.map(({ cpuSeconds }) => cpuSeconds)) * 1e6) / one.images, 1),
      peak_rss_mib: Math.max(...of.map(({ peak }) => peak)),
      shards: of[0]!.shards,
    };
  });
  console.log(
    table(
      ["source", "images", "seconds", "CPU us an image", "peak RSS MiB", "shards"],
      rows.map((row) => Object.values(row)),
    ),
  );
  const [fewest, most] = [Math.min(...asked), Math.max(...asked)];
  const linearity = Object.fromEntries(
    sources.map((source) => {
      const perImage = (images: number): number[] => {
        const one = cases.find((found) => found.source === source && found.images === images)!;
        return runs.get(one)!.map(({ seconds }) => seconds / images);
      };
      return [source, rounded(medianRatio(perImage(most), perImage(fewest)), 3)];
    }),
  );
  const peak = Math.max(...rows.map(({ peak_rss_mib: mib }) => mib));
  for (const [source, ratio] of Object.entries(linearity)) {
    console.log(`\ntime an image, ${most} / ${fewest} images, ${source}: ${ratio} (linear: 1)`);
  }
  console.log(`\npeak RSS: ${peak} MiB (bar: <= ${memoryBar})`);
  return { linearity, peak_rss_mib: peak, runs: rows };
}

await bench<Options>({
  name: "cloud-plan",
  about: "plan of very many images from S3: the pages of a listing, or the files of an inventory",
  options: (command) =>
    command
      .option("--images <list>", "numbers of images", counts, [100_000, 1_000_000])
      .option("--shard <n>", "images a shard; default as the stack's", count, 1000)
      .option("--rounds <n>", "times that each is measured", count, 1),
  smoke: { images: [1000, 3000], rounds: 1 },
  children: { measure },
  main,
});
