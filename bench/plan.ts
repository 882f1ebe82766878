import { randomBytes } from "node:crypto";
import { intake } from "../layers/pipeline/intake.js";
import { plan } from "../layers/pipeline/plan.js";
import type { GetOptions, ObjectInfo, ObjectStore, RunStores } from "../layers/pipeline/ports.js";
import { resultIds } from "../layers/pipeline/result-id.js";
import { ClustsegError } from "../layers/segments/errors.js";
import { type BenchResult, bench, type CommonOptions, count, counts, inChild } from "./support/bench.js";
import { median, medianRatio, rounded, table } from "./support/figures.js";
import { peakRssMib } from "./support/memory.js";

interface Options extends CommonOptions {
  readonly images: number[];
  readonly rounds: number;
}

interface Input {
  readonly images: number;
  /** A current result for every second image, or no results at all. */
  readonly withResults: boolean;
}

interface Run {
  readonly intakeSeconds: number;
  readonly planSeconds: number;
  readonly peak: number;
  readonly shards: number;
  readonly skipped: number;
}

const model = { name: "bench", version: "1.0.0", sha256: "0".repeat(64), tasks: ["superpixel"] };
const parameters = { superpixels: 300 };
const notFound = new ClustsegError("OBJECT_NOT_FOUND", "not there", { hint: "" });

/** Refuses everything; the stores below allow what they need. */
const closedStore: ObjectStore = {
  uri: "bench:///",
  head: async () => undefined,
  get: () => Promise.reject(notFound),
  lines: () => {
    throw notFound;
  },
  put: async () => "written",
  putLines: async (_, lines) => {
    for await (const _line of lines);
  },
  async *list() {},
  delete: async () => {},
};

function keyOf(index: number): string {
  return `camera-${index % 7}/2026/img_${String(index).padStart(9, "0")}.jpg`;
}

/**
 * Intake and plan over synthetic keys from a store that makes them up while it is listed and forgets what is written, so that
 * only the pipeline is measured.
 */
async function measure({ images, withResults }: Input): Promise<Run> {
  const salt = randomBytes(4).toString("hex");
  const infoOf = (index: number): ObjectInfo => ({
    key: keyOf(index),
    size: 48_000 + (index % 1000),
    etag: `${salt}-${index}`,
  });
  const uploads: ObjectStore = {
    ...closedStore,
    async *list() {
      for (let i = 0; i < images; i++) yield infoOf(i);
    },
  };
  const staging: ObjectStore = {
    ...closedStore,
    async *lines() {
      for (let i = 0; i < images; i++) yield JSON.stringify({ bucket: uploads.uri, ...infoOf(i) });
    },
  };
  const idOf = resultIds({ source: uploads.uri, model, task: "superpixel", parameters, formats: [] });
  const results: ObjectStore = {
    ...closedStore,
    async *list() {
      if (withResults) yield { ...infoOf(0), key: `${keyOf(0)}/metadata.json` };
    },
    async head(key: string) {
      return infoOf(Number(/img_(\d+)/.exec(key)?.[1]));
    },
    async get(key: string, _options?: GetOptions) {
      const index = Number(/img_(\d+)/.exec(key)?.[1]);
      if (index % 2 === 1) throw notFound;
      const text = `{"schema":"clustseg.result/1","result_id":"${idOf(infoOf(index))}","source":{}`;
      return { body: new TextEncoder().encode(text), info: infoOf(index) };
    },
  };
  const stores: RunStores = { uploads, staging, results };

  const started = performance.now();
  const source = { kind: "prefix", prefix: "" } as const;
  const request = await intake({ stores, source, model, task: "superpixel", parameters });
  const listed = performance.now();
  const made = await plan({ stores, request });
  const planned = performance.now();
  return {
    intakeSeconds: (listed - started) / 1000,
    planSeconds: (planned - listed) / 1000,
    peak: peakRssMib(),
    shards: made.shards.length,
    skipped: made.skipped,
  };
}

async function main({ images: asked, rounds }: Options): Promise<BenchResult> {
  const cases = [false, true].flatMap((withResults) => asked.map((images): Input => ({ images, withResults })));
  const runs = new Map<Input, Run[]>(cases.map((input) => [input, []]));
  for (let round = 0; round < rounds; round++) {
    // A process each, as the peak of a process never falls.
    for (const input of cases) runs.get(input)!.push(await inChild<Run>("measure", input));
  }
  const rows = cases.map((input) => {
    const of = runs.get(input)!;
    const perImage = of.map(({ intakeSeconds, planSeconds }) => ((intakeSeconds + planSeconds) * 1e6) / input.images);
    return {
      images: input.images,
      results: input.withResults ? "every second image" : "none",
      intake_seconds: rounded(median(of.map(({ intakeSeconds }) => intakeSeconds))),
      plan_seconds: rounded(median(of.map(({ planSeconds }) => planSeconds))),
      us_per_image: rounded(median(perImage), 1),
      peak_rss_mib: Math.max(...of.map(({ peak }) => peak)),
      shards: of[0]!.shards,
      skipped: of[0]!.skipped,
      perImage,
    };
  });
  const [fewest, most] = [Math.min(...asked), Math.max(...asked)];
  const linearity = Object.fromEntries(
    [...new Set(rows.map(({ results }) => results))].map((results) => {
      const of = (images: number): number[] =>
        rows.find((row) => row.images === images && row.results === results)!.perImage;
      return [results, rounded(medianRatio(of(most), of(fewest)), 3)];
    }),
  );
  const shown = rows.map(({ perImage: _, ...row }) => row);
  const peak = Math.max(...rows.map(({ peak_rss_mib: mib }) => mib));
  console.log(
    table(
      ["images", "results there", "intake s", "plan s", "us an image", "peak RSS MiB", "shards", "skipped"],
      shown.map((row) => Object.values(row)),
    ),
  );
  for (const [results, ratio] of Object.entries(linearity)) {
    console.log(`\ntime an image, ${most} / ${fewest} images, results: ${results}: ${ratio} (linear: 1)`);
  }
  console.log(`\npeak RSS: ${peak} MiB (bar: <= 256)`);
  return { linearity, peak_rss_mib: peak, runs: shown };
}

await bench<Options>({
  name: "plan",
  about: "intake and plan of very many images",
  options: (command) =>
    command
      .option("--images <list>", "numbers of images", counts, [100_000, 1_000_000])
      .option("--rounds <n>", "times that each is measured", count, 3),
  smoke: { images: [1000, 10_000], rounds: 1 },
  children: { measure },
  main,
});
