import { type RunOptions, type RunResult, runPipeline } from "../../layers/pipeline/run.js";
import { blockSegmenter } from "./block-segmenter.js";
import { MemoryStore } from "./memory-store.js";

/** Bytes of a small "image" (see block-segmenter.ts) that differ for each seed. */
export function imageBytes(seed: number): Uint8Array {
  let state = (seed * 2654435761 + 1) >>> 0;
  return Uint8Array.from({ length: 64 + (seed % 64) }, () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state >>> 24;
  });
}

/** Three stores, the first with `count` images a/000.png, a/001.png, … */
export async function storesWith(count: number) {
  const uploads = new MemoryStore("memory:///uploads/");
  const staging = new MemoryStore("memory:///staging/");
  const results = new MemoryStore("memory:///results/");
  for (let i = 0; i < count; i++) await uploads.put(`a/${String(i).padStart(3, "0")}.png`, imageBytes(i));
  return { uploads, staging, results, stores: { uploads, staging, results } };
}

export function startRun(stores: RunOptions["stores"], options: Partial<RunOptions> = {}): Promise<RunResult> {
  return runPipeline({
    stores,
    segmenter: blockSegmenter(),
    source: { kind: "prefix", prefix: "" },
    task: "superpixel",
    parameters: { block: 8 },
    ...options,
  });
}

export async function gather<T>(values: AsyncIterable<T> | Iterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}
