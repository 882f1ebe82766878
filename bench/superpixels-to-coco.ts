import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { decodeImage } from "../layers/model/decode.js";
import { type Model, openModel } from "../layers/model/open-model.js";
import { cocoInstances } from "../layers/segments/coco.js";
import { segmentTable } from "../layers/segments/table.js";
import { type BenchResult, bench, type CommonOptions, count, counts, SetupError } from "./support/bench.js";
import { median, medianRatio, rounded, table } from "./support/figures.js";
import { photographs, pick } from "./support/images.js";
import { type PythonProgram, type PythonRun, startPython, usualPython } from "./support/python.js";
import { describeBundle } from "./support/result.js";

interface Options extends CommonOptions {
  readonly images: number;
  readonly superpixels: number[];
  readonly python: string;
}

interface Greeting {
  readonly python: string;
  readonly packages?: readonly string[];
  readonly missing?: string;
}

/** One document: what making it took and what is in it. */
interface Run extends PythonRun {
  /** Of all segments together: those of the image when every pixel has one. */
  readonly pixels: number;
  readonly bytes: number;
}

const [ours, theirs] = ["ClustSeg", "scikit-image + pycocotools"] as const;
type Method = typeof ours | typeof theirs;

/** The bytes of an image file to the text of a COCO document, by the functions that make `segments.coco.json`. */
async function runOurs(model: Model, bytes: Uint8Array, name: string, superpixels: number): Promise<Run> {
  const cpu = process.cpuUsage();
  const begin = performance.now();
  const image = await decodeImage(bytes);
  const { map } = await model.segment(image, { superpixels });
  const { annotations, ...rest } = cocoInstances(map, segmentTable(map, image.data), name);
  const text = JSON.stringify({ ...rest, annotations });
  const ms = performance.now() - begin;
  const { user, system } = process.cpuUsage(cpu);
  const pixels = annotations.reduce((sum, { area }) => sum + area, 0);
  return { ms, cpu_ms: (user + system) / 1000, segments: annotations.length, pixels, bytes: text.length };
}

async function startPeer({ python, smoke }: Options): Promise<PythonProgram<Greeting> | undefined> {
  const how = `${python} -m pip install scikit-image pycocotools (or name another Python with --python)`;
  const peer = await startPython<Greeting>(python, "slic_to_coco.py").catch((error: unknown) => {
    if (smoke) return undefined;
    throw error;
  });
  if (peer?.greeting.packages !== undefined) return peer;
  await peer?.close();
  const why = peer?.greeting.missing ?? `${python} cannot be started`;
  if (!smoke) throw new SetupError(`There is nothing to compare with (${why}). To have it: ${how}`);
  console.log(`Only ClustSeg is run: ${why}\n`);
  return undefined;
}

/** Each K of a picture by one and then the other, each time another one first. */
async function measure(
  files: readonly string[],
  asked: readonly number[],
  peer: PythonProgram<Greeting> | undefined,
): Promise<Map<string, Run[]>> {
  const model = await openModel(undefined, { threads: 1 });
  const methods: Method[] = peer === undefined ? [ours] : [ours, theirs];
  const runs = new Map<string, Run[]>();
  for (const [i, file] of files.entries()) {
    const bytes = new Uint8Array(await readFile(file));
    await peer?.ask({ load: { path: file } });
    // The first picture warms up: it is run once more before it counts.
    for (const counts of i === 0 ? [false, true] : [true]) {
      for (const superpixels of asked) {
        for (const method of i % 2 === 0 ? methods : [...methods].reverse()) {
          const run =
            method === ours
              ? await runOurs(model, bytes, basename(file), superpixels)
              : await peer!.ask<Run>({ run: { superpixels } });
          if (counts) runs.set(keyOf(method, superpixels), [...(runs.get(keyOf(method, superpixels)) ?? []), run]);
        }
      }
    }
  }
  await model.close();
  return runs;
}

const keyOf = (method: Method, superpixels: number): string => `${method} ${superpixels}`;

async function main(options: Options): Promise<BenchResult> {
  const { images, superpixels: asked } = options;
  const peer = await startPeer(options);
  const found = await photographs();
  const files = pick(found.files, images);
  const runs = await measure(files, asked, peer);
  await peer?.close();

  const areas = [...runs.values()].map((of) => of.map(({ pixels }) => pixels).join());
  if (new Set(areas).size > 1) throw new Error("not every pixel has a segment on both sides");
  const rows = asked.flatMap((k) =>
    (peer === undefined ? [ours] : [ours, theirs]).map((method) => {
      const of = runs.get(keyOf(method, k))!;
      const ms = (from: readonly Run[]): number[] => from.map((run) => run.ms);
      const other = runs.get(keyOf(theirs, k));
      return {
        superpixels: k,
        method,
        found: rounded(median(of.map(({ segments }) => segments)), 0),
        ms: rounded(median(ms(of))),
        cpu_ms: rounded(median(of.map(({ cpu_ms }) => cpu_ms))),
        kilobytes: rounded(median(of.map(({ bytes }) => bytes)) / 1000, 1),
        ...(other === undefined ? {} : { ratio: rounded(medianRatio(ms(of), ms(other)), 3) }),
      };
    }),
  );
  console.log(
    `${files.length} pictures (${found.name}), 1 thread, bytes of the file to the text of the JSON, median\n`,
  );
  console.log(
    table(
      ["method", "K asked", "found", "ms", "CPU ms", "kB", "/ the other"],
      rows.map((row) => [row.method, row.superpixels, row.found, row.ms, row.cpu_ms, row.kilobytes, row.ratio ?? ""]),
    ),
  );
  const ratios = rows.filter(({ method }) => method === ours).flatMap(({ ratio }) => ratio ?? []);
  if (ratios.length > 0) console.log(`\nClustSeg / scikit-image + pycocotools: ${Math.max(...ratios)} at most`);
  return {
    data: found.name,
    images: files.length,
    model: await describeBundle(),
    ...(peer === undefined ? {} : peer.greeting),
    ratio_at_most: ratios.length > 0 ? Math.max(...ratios) : null,
    rows,
  };
}

await bench<Options>({
  name: "superpixels-to-coco",
  about: "an image file's bytes to a COCO document with RLE, against scikit-image's SLIC and pycocotools",
  options: (command) =>
    command
      .option("--images <n>", "pictures", count, 30)
      .option("--superpixels <list>", "superpixels asked", counts, [100, 300, 1000])
      .option("--python <program>", "a Python that has scikit-image and pycocotools", usualPython()),
  smoke: { images: 1, superpixels: [300] },
  main,
});
