import { encodeIds, encodeRgbJpeg, encodeRgbPng } from "../layers/model/encode.js";
import { cocoInstances, cocoPolygonInstances } from "../layers/segments/coco.js";
import { segmentsToCsv } from "../layers/segments/csv.js";
import { segmentsToGeoJson } from "../layers/segments/geojson.js";
import { meanColorPicture } from "../layers/segments/mean-colour.js";
import { overlayBoundaries } from "../layers/segments/overlay.js";
import { segmentRles } from "../layers/segments/rle.js";
import { type SegmentMap, segmentMapFromLabels } from "../layers/segments/segment-map.js";
import { segmentTable } from "../layers/segments/table.js";
import { upscaleSegmentMap } from "../layers/segments/upscale.js";
import { type BenchResult, bench, type CommonOptions, count, counts } from "./support/bench.js";
import { median, rounded, table } from "./support/figures.js";
import { ofSize, photographs, pick, picturesOf, type RgbPicture } from "./support/images.js";
import { askOf, graphRequests, openBundle, openBundleRunner } from "./support/model.js";
import { describeBundle } from "./support/result.js";

interface Options extends CommonOptions {
  readonly images: number;
  readonly superpixels: number[];
  readonly rounds: number;
}

const [width, height] = [481, 321];
/** The same outlines in a megapixel, for what is promised for one. */
const megapixel = { width: 1224, height: 817 };
const rleStep = "COCO RLE of a megapixel";

/** What is made of a graph's labels, and the bytes of what is a file. In the order in which one needs the other. */
interface Steps {
  readonly [step: string]: () => Promise<Uint8Array | undefined> | Uint8Array | undefined;
}

function stepsFor(labels: Uint16Array, picture: RgbPicture, minArea: number): Steps {
  const { data } = picture;
  const map: SegmentMap = segmentMapFromLabels(labels, width, height, { minArea });
  const rows = segmentTable(map, data);
  const overlay = overlayBoundaries(map, data);
  const mean = meanColorPicture(map, rows);
  const large = upscaleSegmentMap(map, megapixel);
  const json = (value: object) => new TextEncoder().encode(`${JSON.stringify(value)}\n`);
  const nothing = (_made: unknown): undefined => undefined;
  return {
    connectivity: () => nothing(segmentMapFromLabels(labels, width, height, { minArea })),
    table: () => nothing(segmentTable(map, data)),
    "segments.png": () => encodeIds(map),
    "overlay, drawn": () => nothing(overlayBoundaries(map, data)),
    "overlay.png": () => encodeRgbPng(overlay, width, height),
    "overlay.jpg": () => encodeRgbJpeg(overlay, width, height),
    "mean colours, drawn": () => nothing(meanColorPicture(map, rows)),
    "mean.png": () => encodeRgbPng(mean, width, height, 6),
    "segments.csv": () => new TextEncoder().encode(segmentsToCsv(rows)),
    "COCO RLE": () => nothing(segmentRles(map)),
    [rleStep]: () => nothing(segmentRles(large)),
    "segments.coco.json": () => json(cocoInstances(map, rows, "a.jpg")),
    "polygons.coco.json": () => json(cocoPolygonInstances(map, rows, "a.jpg")),
    "segments.geojson": () => new TextEncoder().encode(segmentsToGeoJson(map, rows, "a.jpg")),
  };
}

async function main({ images, superpixels: asked, rounds }: Options): Promise<BenchResult> {
  const found = await photographs();
  const pictures = await picturesOf(pick(await ofSize(found.files, width, height), images), width, height);
  const bundle = await openBundle();
  const runner = await openBundleRunner(bundle, 1);
  const times = new Map<string, number[]>();
  const sizes = new Map<string, number[]>();
  const note = (into: Map<string, number[]>, key: string, value: number): void => {
    const values = into.get(key) ?? [];
    values.push(value);
    into.set(key, values);
  };
  const frame = { width, height, orientation: 1, format: "raw", space: "srgb", depth: "uchar", pages: 1, alpha: false };

  for (const [i, picture] of pictures.entries()) {
    for (const k of asked) {
      const [request] = await graphRequests(
        bundle,
        { ...picture, frame: { ...frame, notes: [] } },
        askOf(bundle.manifest, k),
      );
      if (request === undefined) throw new Error("the model ran no graph");
      const seeds = Array.from(request["grid"]?.data ?? [], Number).reduce((rows, columns) => rows * columns);
      const minArea = Math.floor(((bundle.manifest.defaults.min_area_ratio ?? 0) * width * height) / seeds);
      const { values } = await runner.run(request);
      const steps = stepsFor(values["labels"]?.data as Uint16Array, picture, minArea);
      // The first picture warms up V8's compilers, so it takes one round more, which does not count.
      for (let round = i === 0 ? -1 : 0; round < rounds; round++) {
        for (const [step, work] of Object.entries(steps)) {
          const begin = performance.now();
          const file = await work();
          if (round < 0) continue;
          note(times, `${step} ${k}`, performance.now() - begin);
          if (file !== undefined) note(sizes, `${step} ${k}`, file.length);
        }
      }
    }
  }
  await runner.close();

  const steps = [...new Set([...times.keys()].map((key) => key.slice(0, key.lastIndexOf(" "))))];
  const rows = steps.map((step) => ({
    step,
    ms: Object.fromEntries(asked.map((k) => [k, rounded(median(times.get(`${step} ${k}`)!), 3)])),
    kilobytes: Object.fromEntries(
      asked.flatMap((k) => {
        const bytes = sizes.get(`${step} ${k}`);
        return bytes === undefined ? [] : [[k, rounded(median(bytes) / 1000, 1)]];
      }),
    ),
  }));
  console.log(`${pictures.length} pictures (${found.name}) of ${width} x ${height}, ${rounds} rounds, median\n`);
  console.log(
    table(
      ["step", ...asked.flatMap((k) => [`ms, K = ${k}`, "kB"])],
      rows.map(({ step, ms, kilobytes }) => [step, ...asked.flatMap((k) => [ms[k] ?? "", kilobytes[k] ?? ""])]),
    ),
  );
  const rle = Math.max(...Object.values(rows.find(({ step }) => step === rleStep)?.ms ?? {}));
  console.log(`\n${rleStep}: ${rle} ms at most (bar: <= 5)`);
  return {
    data: found.name,
    images: pictures.length,
    size: [width, height],
    model: await describeBundle(),
    steps: rows,
  };
}

await bench<Options>({
  name: "formats",
  about: "what is made of a graph's labels: segments, table, pictures, files",
  options: (command) =>
    command
      .option("--images <n>", "pictures of 481 x 321", count, 30)
      .option("--superpixels <list>", "superpixels asked", counts, [100, 300, 1000])
      .option("--rounds <n>", "times each step is run on each picture", count, 5),
  smoke: { images: 1, superpixels: [300], rounds: 2 },
  main,
});
