import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Model, openModel } from "../layers/model/open-model.js";
import { type BenchResult, bench, type CommonOptions, count, counts, SetupError } from "./support/bench.js";
import { median, medianRatio, rounded, table } from "./support/figures.js";
import { ofSize, photographs, pick, picturesOf, type RgbPicture, withTemporaryFolder } from "./support/images.js";
import { type Peers, startPeers } from "./support/peers.js";
import { usualPython } from "./support/python.js";
import { describeBundle } from "./support/result.js";

interface Options extends CommonOptions {
  readonly images: number;
  readonly superpixels: number[];
  readonly peers: string;
  readonly python: string;
}

const [width, height] = [481, 321];
const ours = "ClustSeg";
const slic = "SLIC";

interface Measured {
  readonly ms: number[];
  readonly cpuMs: number[];
  readonly segments: number[];
}

/** One list of measurements for each method and K; entry i of each is of picture i. */
type Measurements = Map<string, Measured>;

const keyOf = (method: string, superpixels: number): string => `${method} ${superpixels}`;

function note(into: Measurements, key: string, run: { ms: number; cpu_ms: number; segments: number }): void {
  const measured = into.get(key) ?? { ms: [], cpuMs: [], segments: [] };
  measured.ms.push(run.ms);
  measured.cpuMs.push(run.cpu_ms);
  measured.segments.push(run.segments);
  into.set(key, measured);
}

/** Pixels in memory to connected labels in memory, through the code that the pipeline calls. */
async function runOurs(model: Model, picture: RgbPicture, superpixels: number) {
  const frame = { width, height, orientation: 1, format: "raw", space: "srgb", depth: "uchar", pages: 1, alpha: false };
  const image = { ...picture, frame: { ...frame, notes: [] } };
  const cpu = process.cpuUsage();
  const begin = performance.now();
  const { map } = await model.segment(image, { superpixels });
  const ms = performance.now() - begin;
  const { user, system } = process.cpuUsage(cpu);
  return { ms, cpu_ms: (user + system) / 1000, segments: map.segments };
}

/** Every method on every K of a picture before the next picture, each time another method first. */
async function measure(
  pictures: readonly RgbPicture[],
  asked: readonly number[],
  methods: readonly string[],
  run: (method: string, picture: RgbPicture, superpixels: number) => ReturnType<typeof runOurs>,
  load: (picture: RgbPicture) => Promise<void>,
): Promise<Measurements> {
  const measured: Measurements = new Map();
  for (const [i, picture] of pictures.entries()) {
    await load(picture);
    const turned = [...methods.slice(i % methods.length), ...methods.slice(0, i % methods.length)];
    // The first picture warms up: it is run once more before it counts.
    for (const counts of i === 0 ? [false, true] : [true]) {
      for (const superpixels of asked) {
        for (const method of turned) {
          const result = await run(method, picture, superpixels);
          if (counts) note(measured, keyOf(method, superpixels), result);
        }
      }
    }
  }
  return measured;
}

async function main(options: Options): Promise<BenchResult> {
  const { images, superpixels: asked, python, smoke } = options;
  const peers = await startPeers(python, options.peers.split(",")).catch((error: unknown) => {
    if (smoke) return undefined;
    throw error;
  });
  explainMissing(peers, python, smoke);

  const found = await photographs();
  const fitting = await ofSize(found.files, width, height);
  const pictures = await picturesOf(pick(fitting, images), width, height);

  const one = await openModel(undefined, { threads: 1 });
  const methods = [ours, ...(peers?.peers.map(({ name }) => name) ?? [])];
  const measured = await withTemporaryFolder((folder) =>
    measure(
      pictures,
      asked,
      methods,
      (method, picture, superpixels) =>
        method === ours ? runOurs(one, picture, superpixels) : peers!.run(method, superpixels),
      async (picture) => {
        const file = join(folder, "picture.rgb");
        await writeFile(file, picture.data);
        await peers?.load(file, width, height);
      },
    ),
  );
  await one.close();
  await peers?.close();

  // By itself and afterwards: the threads of a second session would spin beside the first.
  const two = await openModel(undefined, { threads: 2 });
  const withTwo = await measure(
    pictures,
    asked,
    [ours],
    (_, picture, k) => runOurs(two, picture, k),
    async () => {},
  );
  await two.close();
  return report(found.name, pictures.length, asked, methods, measured, withTwo, peers);
}

function explainMissing(peers: Peers | undefined, python: string, smoke: boolean): void {
  for (const { name, package: from, reason } of peers?.missing ?? []) {
    console.log(`${name} is left out${from === "" ? "" : `, ${from} is not installed`}: ${reason}`);
  }
  if (peers?.peers.some(({ name }) => name === slic)) return;
  const how = `${python} -m pip install -r training/requirements-peers.txt   (scikit-image alone is enough for the bars)`;
  if (!smoke)
    throw new SetupError(`There is nothing to compare with: scikit-image is not installed for ${python}.\n  ${how}`);
  console.log(`Only ClustSeg is run, as scikit-image is not installed for ${python}. To compare: ${how}\n`);
}

async function report(
  data: string,
  images: number,
  asked: readonly number[],
  methods: readonly string[],
  measured: Measurements,
  withTwo: Measurements,
  peers: Peers | undefined,
): Promise<BenchResult> {
  const of = (from: Measurements, method: string, k: number): Measured => from.get(keyOf(method, k))!;
  const packages = new Map(peers?.peers.map(({ name, package: from }) => [name, from]));
  const rows = asked.flatMap((k) =>
    methods.map((method) => {
      const { ms, cpuMs, segments } = of(measured, method, k);
      const compared = methods.includes(slic) ? rounded(medianRatio(ms, of(measured, slic, k).ms), 3) : undefined;
      return {
        superpixels: k,
        method,
        found: rounded(median(segments), 0),
        ms: rounded(median(ms)),
        cpu_ms: rounded(median(cpuMs)),
        ...(compared === undefined ? {} : { ratio_to_slic: compared }),
      };
    }),
  );
  console.log(
    `${images} pictures (${data}) of ${width} x ${height}, 1 thread, RGB in memory to labels in memory, median\n`,
  );
  console.log(
    table(
      ["method", "K asked", "found", "ms", "CPU ms", "/ SLIC"],
      rows.map((row) => [row.method, row.superpixels, row.found, row.ms, row.cpu_ms, row.ratio_to_slic ?? ""]),
    ),
  );
  const twoThreads = asked.map((k) => {
    const { ms, cpuMs } = of(withTwo, ours, k);
    return { superpixels: k, ms: rounded(median(ms)), cpu_ms: rounded(median(cpuMs)) };
  });
  console.log("\nClustSeg with 2 threads, by itself:\n");
  console.log(
    table(
      ["K asked", "ms", "CPU ms"],
      twoThreads.map(({ superpixels, ms, cpu_ms }) => [superpixels, ms, cpu_ms]),
    ),
  );

  const growth =
    asked.includes(1000) && asked.includes(100)
      ? rounded(medianRatio(of(measured, ours, 1000).ms, of(measured, ours, 100).ms), 3)
      : undefined;
  const ratios = rows.filter(({ method }) => method === ours).flatMap(({ ratio_to_slic: ratio }) => ratio ?? []);
  if (ratios.length > 0) console.log(`\nClustSeg / SLIC: ${Math.max(...ratios)} at most (bar: <= 0.7)`);
  if (growth !== undefined) console.log(`ClustSeg at K = 1000 / at K = 100: ${growth} (bar: <= 1.2)`);
  return {
    data,
    images,
    size: [width, height],
    model: await describeBundle(),
    ...(peers === undefined ? {} : { python: peers.python, packages: Object.fromEntries(packages) }),
    ratio_to_slic_at_most: ratios.length > 0 ? Math.max(...ratios) : null,
    k1000_to_k100: growth ?? null,
    one_thread: rows,
    two_threads: twoThreads,
  };
}

await bench<Options>({
  name: "superpixels-vs-slic",
  about: "pixels in memory to superpixels in memory, against scikit-image's SLIC and other kept packages",
  options: (command) =>
    command
      .option("--images <n>", "pictures of 481 x 321", count, 30)
      .option("--superpixels <list>", "superpixels asked", counts, [100, 300, 600, 1000, 2500])
      .option("--peers <list>", "names of training/clustseg/study/peers.py", "SLIC,fast-slic,SLICO")
      .option("--python <program>", "a Python that has the peers", usualPython()),
  smoke: { images: 1, superpixels: [100, 1000] },
  main,
});
