import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeImage } from "../../layers/model/decode.js";
import type { DecodedImage } from "../../layers/model/decoded-image.js";
import { type Model, openModel } from "../../layers/model/open-model.js";
import { classifiedTable } from "../../layers/segments/table.js";
import { peakRssMib } from "./memory.js";

export interface PanopticInput {
  readonly bundle: string;
  readonly files: readonly string[];
  readonly threads: number;
  readonly warmUps: number;
  /** So many images are read, and then timed together. */
  readonly together: number;
  /** Where to write the class of each pixel, a file an image, after the measurement. */
  readonly classesTo?: string;
}

/** What a side answers; peers/transformersjs/segment.mjs answers the same. */
export interface PanopticSide {
  readonly images: number;
  /** From pixels to segments; reading the files is not in it. */
  readonly seconds: number;
  /** Of all threads of the process, in that time. */
  readonly cpuSeconds: number;
  /** Milliseconds of the graph, image by image. */
  readonly graphMs: readonly number[];
  readonly segments: number;
  /** MiB. */
  readonly peak: number;
}

/** In the files of classes: a pixel of no class. */
export const noClass = 255;

/** Pixels to the segment map and its table: what `segmentImage` does once it has read the file. */
async function segment(model: Model, image: DecodedImage) {
  const { map, classes, graphMs } = await model.segment(image, {}, { task: "panoptic" });
  return { map, rows: classifiedTable(map, image.data, classes), graphMs };
}

/** With several threads as the command does it: a worker for each, and two images more in work. */
export async function segmentTimed({
  bundle,
  files,
  threads,
  warmUps,
  together,
  classesTo,
}: PanopticInput): Promise<PanopticSide> {
  const model = await openModel(bundle, { threads: 1, workers: threads });
  const inWork = threads === 1 ? 1 : threads + 2;
  const read = async (file: string) => decodeImage(new Uint8Array(await readFile(file)));
  await eachOf(files.slice(0, Math.max(warmUps, threads)), inWork, async (file) => segment(model, await read(file)));
  const graphMs: number[] = [];
  let [seconds, cpuSeconds, segments] = [0, 0, 0];
  for (let first = 0; first < files.length; first += together) {
    const images = await Promise.all(files.slice(first, first + together).map(read));
    const cpu = process.cpuUsage();
    const begin = performance.now();
    await eachOf(images, inWork, async (image) => {
      const found = await segment(model, image);
      segments += found.rows.length;
      graphMs.push(found.graphMs);
    });
    seconds += (performance.now() - begin) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    cpuSeconds += (user + system) / 1e6;
  }
  const peak = peakRssMib();
  if (classesTo !== undefined) {
    const index = new Map(model.manifest.classes.map(({ id }, i) => [id, i]));
    for (const [i, file] of files.entries()) {
      const { map, rows } = await segment(model, await read(file));
      const classOf = [noClass, ...rows.map(({ categoryId }) => index.get(categoryId ?? -1) ?? noClass)];
      await writeFile(
        join(classesTo, `${i}`),
        Uint8Array.from(map.ids, (id) => classOf[id]!),
      );
    }
  }
  await model.close();
  return { images: files.length, seconds, cpuSeconds, graphMs, segments, peak };
}

/** `work` on each item, on so many at once. */
async function eachOf<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<unknown>): Promise<void> {
  const left = items.values();
  const lane = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}
