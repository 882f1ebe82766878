import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeImage } from "../../layers/model/decode.js";
import type { GraphRunner } from "../../layers/model/runner.js";
import { createSegmenter, type SegmenterResult } from "../../layers/model/segmenter.js";
import { segmentSuperpixels } from "../../layers/model/superpixels.js";
import { segmentTable } from "../../layers/segments/table.js";
import { median, rounded } from "./figures.js";
import { runFolder } from "./folder-run.js";
import { openBundle, openBundleRunner } from "./model.js";

export interface StagesInput {
  readonly source: string;
  readonly out: string;
  readonly images: number;
  readonly superpixels: number;
  readonly threads: number;
  readonly formats: readonly string[];
}

/** Median milliseconds of an image, in the order in which it meets them. */
export interface StageTimes {
  readonly decode: number;
  readonly infer: number;
  /** To the worker thread and back: copy of the pixels, messages, resampling. */
  readonly hand_over: number;
  /** Connectivity: labels to segments. */
  readonly post: number;
  /** The table of segments. */
  readonly table: number;
  /** PNGs and other result files. */
  readonly encode: number;
  /** All that the pipeline does beside calling the segmenter: list, read, pack, validate, write, report; mean of a run. */
  readonly publish: number;
}

/** One image at a time, so that no stage waits for another: what each costs, not how they overlap. */
export async function measureStages(input: StagesInput): Promise<StageTimes> {
  const { source, images, superpixels, threads, formats } = input;
  const bundle = await openBundle();
  const runner = await openBundleRunner(bundle, threads);
  let graph = 0;
  let roundTrip = 0;
  const timed: GraphRunner = {
    ...runner,
    async run(request) {
      const begin = performance.now();
      const labels = await runner.run(request);
      roundTrip += performance.now() - begin;
      graph += labels.ms;
      return labels;
    },
  };
  const segmenter = createSegmenter({
    manifest: bundle.manifest,
    provider: runner.provider,
    refused: runner.refused,
    segment: async (image, parameters = {}) =>
      (await segmentSuperpixels(timed, bundle.manifest, image, parameters)).map,
    close: () => runner.close(),
  });
  const request = { task: "superpixel", parameters: { superpixels }, formats };

  const files = (await readdir(source)).sort().slice(0, images);
  const times: Record<Exclude<keyof StageTimes, "publish">, number[]> = {
    decode: [],
    infer: [],
    hand_over: [],
    post: [],
    table: [],
    encode: [],
  };
  const results = new Map<string, SegmenterResult>();
  for (const [i, file] of files.entries()) {
    const bytes = new Uint8Array(await readFile(join(source, file)));
    if (i === 0) await segmenter.process(bytes, request);
    const image = await decodeImage(bytes);
    [graph, roundTrip] = [0, 0];
    const begin = performance.now();
    const { map } = await segmentSuperpixels(timed, bundle.manifest, image, { superpixels });
    const segmented = performance.now();
    segmentTable(map, image.data);
    const tabled = performance.now();
    const result = await segmenter.process(bytes, request);
    const tableMs = tabled - segmented;
    times.decode.push(result.ms.decode);
    times.table.push(tableMs);
    times.encode.push(result.ms.encode - tableMs);
    // `graph` and `roundTrip` hold both runs by now.
    times.infer.push(graph / 2);
    times.hand_over.push((roundTrip - graph) / 2);
    times.post.push(segmented - begin - roundTrip / 2);
    results.set(signature(bytes), result);
  }
  await runner.close();
  const medians = Object.fromEntries(Object.entries(times).map(([stage, ms]) => [stage, rounded(median(ms), 3)]));
  const publish = rounded(await measurePublish(input, bundle.manifest, results), 3);
  return { ...(medians as Omit<StageTimes, "publish">), publish };
}

/** A whole run whose segmenter answers at once with what it answered before. */
async function measurePublish(
  { source, out, superpixels, formats }: StagesInput,
  {
    name,
    version,
    tasks,
    graph,
  }: { name: string; version: string; tasks: readonly string[]; graph: { sha256: string } },
  results: ReadonlyMap<string, SegmenterResult>,
): Promise<number> {
  const [any] = results.values();
  if (any === undefined) throw new Error("no image was measured");
  const segmenter = {
    model: { name, version, tasks, sha256: graph.sha256 },
    process: async (bytes: Uint8Array) => results.get(signature(bytes)) ?? any,
  };
  const begin = performance.now();
  const report = await runFolder({ source, out, segmenter, superpixels, formats });
  return (performance.now() - begin) / report.items.segmented;
}

/** Tells images apart by their length and last bytes, at next to no cost. */
function signature(bytes: Uint8Array): string {
  return `${bytes.length} ${bytes.subarray(-48).join()}`;
}
