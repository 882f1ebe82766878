import { readFile } from "node:fs/promises";
import { InvalidArgumentError } from "commander";
import { sharp } from "../layers/model/libvips.js";
import { openModel } from "../layers/model/open-model.js";
import { createSegmenter } from "../layers/model/segmenter.js";
import type { ObjectStore, RunStores, Segmenter } from "../layers/pipeline/ports.js";
import { S3Store } from "../layers/storage/s3-store.js";
import { type BenchResult, bench, type CommonOptions, count, inChild } from "./support/bench.js";
import { type CloudRunResult, runAsCloud, stages } from "./support/cloud-run.js";
import { counted, type Operation, RequestCounts, type Role } from "./support/counting-store.js";
import { rounded, table } from "./support/figures.js";
import { photographs } from "./support/images.js";
import { type Asked, askOf, openBundle } from "./support/model.js";
import { motoClient, startMotoS3 } from "./support/moto.js";
import { PlainStore } from "./support/plain-store.js";
import { usualPython } from "./support/python.js";
import { describeBundle } from "./support/result.js";

const kinds = ["memory", "s3"] as const;
type Kind = (typeof kinds)[number];

interface Options extends CommonOptions {
  readonly images: number;
  readonly s3Images: number;
  readonly shard: number;
  readonly superpixels: number;
  readonly scale: number;
  readonly stores: Kind[];
  readonly python: string;
}

interface Input extends Options {
  readonly kind: Kind;
  /** Of moto, for "s3". */
  readonly endpoint: string;
}

interface Run extends CloudRunResult {
  readonly images: number;
  /** Of one image. */
  readonly megapixels: number;
  readonly requests: readonly {
    readonly stage: string;
    readonly role: Role;
    readonly operation: Operation;
    readonly perImage: number;
  }[];
  readonly stagedBytes: number;
  readonly resultBytes: number;
}

const roles = ["uploads", "staging", "results"] as const;
const operations = ["PUT", "GET", "HEAD", "LIST", "DELETE"] as const;
/** Of a result that is forgotten, metadata.json still tells whose it is. */
const keptBytes = 512;

/** A segmenter that answers at once, with what the real one has answered for one photograph. */
async function instantSegmenter({
  superpixels,
  scale,
}: Input): Promise<{ segmenter: Segmenter; asked: Asked; image: Uint8Array; megapixels: number }> {
  const { manifest } = await openBundle();
  const asked = askOf(manifest, superpixels);
  const [file = ""] = (await photographs()).files;
  const photograph = sharp(await readFile(file)).autoOrient();
  const { width } = await sharp(await readFile(file)).metadata();
  const image = new Uint8Array(
    await photograph
      .resize({ width: Math.round(width * scale) })
      .jpeg({ quality: 90 })
      .toBuffer(),
  );
  const model = await openModel(undefined, { threads: 1 });
  const real = createSegmenter(model);
  const answer = await real.process(image, { ...asked, formats: [] });
  await model.close();
  const megapixels = (answer.frame.width * answer.frame.height) / 1e6;
  return { segmenter: { model: real.model, process: async () => answer }, asked, image, megapixels };
}

function openStores({ kind, endpoint }: Input): { readonly stores: RunStores; readonly close: () => void } {
  if (kind === "memory") {
    const stores = {
      uploads: new PlainStore({ uri: "s3://uploads/" }),
      staging: new PlainStore({ uri: "s3://staging/" }),
      results: new PlainStore({ uri: "s3://results/", keep: keptBytes }),
    };
    return { stores, close: () => {} };
  }
  const client = motoClient(endpoint);
  const store = (bucket: Role): ObjectStore => new S3Store({ bucket, client });
  const stores = { uploads: store("uploads"), staging: store("staging"), results: store("results") };
  return { stores, close: () => client.destroy() };
}

async function measure(input: Input): Promise<Run> {
  const images = input.kind === "memory" ? input.images : input.s3Images;
  const { segmenter, asked, image, megapixels } = await instantSegmenter(input);
  const { stores, close } = openStores(input);
  try {
    for (let i = 0; i < images; i++) await stores.uploads.put(`camera/${String(i).padStart(8, "0")}.jpg`, image);
    const counts = new RequestCounts();
    const ran = await runAsCloud({
      stores: {
        uploads: counted(stores.uploads, "uploads", counts),
        staging: counted(stores.staging, "staging", counts),
        results: counted(stores.results, "results", counts),
      },
      segmenter,
      asked,
      shardImages: input.shard,
      onStage: (stage) => {
        counts.stage = stage;
      },
    });
    const requests = stages.flatMap((stage) =>
      roles.flatMap((role) =>
        operations.flatMap((operation) => {
          const found = counts.count({ stage, role, operation });
          return found === 0 ? [] : [{ stage, role, operation, perImage: found / images }];
        }),
      ),
    );
    return {
      ...ran,
      images,
      megapixels,
      requests,
      stagedBytes: counts.bytes({ stage: "segment", role: "staging" }),
      resultBytes: counts.bytes({ stage: "publish", role: "results" }),
    };
  } finally {
    close();
  }
}

async function main(options: Options): Promise<BenchResult> {
  const runs = new Map<Kind, Run>();
  for (const kind of options.stores) {
    const moto = kind === "s3" ? await startMotoS3(options.python, roles) : undefined;
    try {
      runs.set(kind, await inChild<Run>("measure", { ...options, kind, endpoint: moto?.endpoint ?? "" }));
    } finally {
      moto?.stop();
    }
  }
  const shown = [...runs].map(([kind, run]) => {
    const all = stages.reduce((sum, stage) => sum + run.seconds[stage], 0);
    const perImage = (of: number) => rounded((of * 1000) / run.images, 3);
    return {
      stores: kind,
      images: run.images,
      shards: run.shards,
      images_per_second: rounded(run.images / all, 1),
      ms_per_image: Object.fromEntries(stages.map((stage) => [stage, perImage(run.seconds[stage])])),
      cpu_ms_per_image: Object.fromEntries(stages.map((stage) => [stage, perImage(run.cpuSeconds[stage])])),
    };
  });
  console.log(
    table(
      ["stores", "images", "images/s", ...stages.map((stage) => `${stage} ms`), "CPU ms"],
      shown.map(({ stores, images, images_per_second: rate, ms_per_image: ms, cpu_ms_per_image: cpu }) => [
        stores,
        images,
        rate,
        ...stages.map((stage) => ms[stage]!),
        rounded(
          Object.values(cpu).reduce((sum, value) => sum + value, 0),
          2,
        ),
      ]),
    ),
  );
  const [first] = runs.values();
  if (first === undefined) throw new Error("no stores were measured");
  const requests = first.requests.map(({ perImage, ...rest }) => ({ ...rest, per_image: rounded(perImage, 5) }));
  const sumOf = (wanted: Operation, role?: Role) =>
    rounded(
      first.requests
        .filter((one) => one.operation === wanted && (role === undefined || one.role === role))
        .reduce((sum, { perImage }) => sum + perImage, 0),
      4,
    );
  console.log(`\nRequests an image, in shards of ${options.shard}:\n`);
  console.log(
    table(
      ["stage", "store", "operation", "an image"],
      requests.map(({ stage, role, operation, per_image: value }) => [stage, role, operation, value]),
    ),
  );
  const totals = Object.fromEntries(operations.map((operation) => [operation, sumOf(operation)]));
  const stagedBytes = Math.round(first.stagedBytes / first.images);
  console.log(`\nPUTs an image: ${totals["PUT"]} (bar: <= 2.1); bytes staged an image: ${stagedBytes}`);
  return {
    data: (await photographs()).name,
    model: await describeBundle(),
    megapixels_per_image: rounded(first.megapixels, 3),
    per_image: totals,
    puts_to_results: sumOf("PUT", "results"),
    gets_of_uploads: sumOf("GET", "uploads"),
    staged_bytes_per_image: stagedBytes,
    result_bytes_per_image: Math.round(first.resultBytes / first.images),
    requests,
    runs: shown,
  };
}

function storeKinds(text: string): Kind[] {
  const given = text.split(",");
  if (given.every((one): one is Kind => kinds.includes(one as Kind))) return given;
  throw new InvalidArgumentError(`Expected some of ${kinds.join(", ")}.`);
}

await bench<Options>({
  name: "cloud-throughput",
  about:
    "what the cloud's stages cost beside the model: images/s with a segmenter that answers at once, requests an image",
  options: (command) =>
    command
      .option("--images <n>", "images, in memory", count, 10_000)
      .option("--s3-images <n>", "images, in moto's S3", count, 2000)
      .option("--shard <n>", "images a shard; default as the stack's", count, 1000)
      .option("--superpixels <n>", "superpixels of the answer", count, 300)
      .option("--scale <n>", "so many times as wide and high as it is", count, 1)
      .option("--stores <list>", `where objects lie: ${kinds.join(", ")}`, storeKinds, [...kinds])
      .option("--python <program>", "one that has moto", usualPython()),
  smoke: { images: 100, s3Images: 20, shard: 50, superpixels: 50 },
  children: { measure },
  main,
});
