import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { rounded, table } from "./figures.js";

/** What of V8's profile format is used here. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

const shown = 16;

/** Prints, for each thread of the process that was profiled last, the functions it spent its own time in. */
export async function printProfile(folder: string): Promise<void> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".cpuprofile")).sort();
  // CPU.<date>.<time>.<pid>.<thread>.<number>.cpuprofile
  const last = files.at(-1)?.split(".")[3];
  for (const file of files.filter((name) => name.split(".")[3] === last)) {
    const profile = JSON.parse(await readFile(join(folder, file), "utf8")) as CpuProfile;
    console.log(`thread ${file.split(".")[4]}: ms of its own in each function\n`);
    console.log(`${table(["function", "ms", "%"], selfTimes(profile))}\n`);
  }
  console.log(`the profiles, for a browser's developer tools: bench/results/profiles\n`);
}

function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): [string, number, number][] {
  const names = new Map(
    nodes.map(({ id, callFrame }) => {
      const { functionName, url, lineNumber } = callFrame;
      const file = url.split("/").at(-1) ?? "";
      return [id, `${functionName || "(anonymous)"}${file === "" ? "" : ` ${file}:${lineNumber + 1}`}`];
    }),
  );
  const times = new Map<string, number>();
  let total = 0;
  for (const [i, sample] of samples.entries()) {
    const name = names.get(sample) ?? "?";
    const ms = (timeDeltas[i] ?? 0) / 1000;
    times.set(name, (times.get(name) ?? 0) + ms);
    total += ms;
  }
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .slice(0, shown)
    .map(([name, ms]) => [name, rounded(ms, 1), rounded((100 * ms) / total, 1)]);
}
