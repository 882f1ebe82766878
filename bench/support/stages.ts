import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeImage } from "../../layers/model/decode.js";
import type { GraphRunner } from "../../layers/model/runner.js";
import { createSegmenter, type SegmenterResult } from "../../layers/model/segmenter.js";
import { classifiedTable } from "../../layers/segments/table.js";
import { median, rounded } from "./figures.js";
import { runFolder } from "./folder-run.js";
import { type Asked, modelOn, openBundle, openBundleRunner } from "./model.js";

export interface StagesInput {
  readonly source: string;
  readonly out: string;
  readonly images: number;
  readonly bundle: string;
  readonly asked: Asked;
  readonly threads: number;
  readonly formats: readonly string[];
}

/** Median milliseconds of an image, in the order in which it meets them. */
export interface StageTimes {
  readonly decode: number;
  readonly infer: number;
  /** To the worker thread and back: copy of the pixels, messages. */
  readonly hand_over: number;
  /** Around the graph: scaling, and labels to segments. */
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
  const { source, images, asked, threads, formats } = input;
  const bundle = await openBundle(input.bundle);
  const runner = await openBundleRunner(bundle, threads);
  let graph = 0;
  let roundTrip = 0;
  let [running, since] = [0, 0];
  const timed: GraphRunner = {
    ...runner,
    async run(request) {
      // Tiles of one image overlap on their way; together they take from the first one's start to the last one's end.
      if (running++ === 0) since = performance.now();
      const made = await runner.run(request);
      if (--running === 0) roundTrip += performance.now() - since;
      graph += made.ms;
      return made;
    },
  };
  const model = modelOn(timed, bundle);
  const segmenter = createSegmenter(model);
  const request = { ...asked, formats };

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
    const found = await model.segment(image, asked.parameters, { task: asked.task });
    const segmented = performance.now();
    classifiedTable(found.map, image.data, found.classes);
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
  const publish = rounded(await measurePublish(input, segmenter.model, results), 3);
  return { ...(medians as Omit<StageTimes, "publish">), publish };
}

/** A whole run whose segmenter answers at once with what it answered before. */
async function measurePublish(
  { source, out, asked, formats }: StagesInput,
  model: ReturnType<typeof createSegmenter>["model"],
  results: ReadonlyMap<string, SegmenterResult>,
): Promise<number> {
  const [any] = results.values();
  if (any === undefined) throw new Error("no image was measured");
  const process = async (bytes: Uint8Array): Promise<SegmenterResult> => results.get(signature(bytes)) ?? any;
  const begin = performance.now();
  const report = await runFolder({ source, out, segmenter: { model, process }, asked, formats });
  return (performance.now() - begin) / report.items.segmented;
}

/** Tells images apart by their length and last bytes, at next to no cost. */
function signature(bytes: Uint8Array): string {
  return `${bytes.length} ${bytes.subarray(-48).join()}`;
}
