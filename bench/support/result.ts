import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadManifest } from "../../layers/model/bundle.js";
import { findBundle } from "../../layers/model/find-bundle.js";
import { rounded } from "./figures.js";

/** The repository, from here as from dist/bench. */
export const root = fileURLToPath(new URL("../../", import.meta.url));

const loadAtStart = loadavg()[0] ?? 0;

/** What every bench understands. */
export interface CommonOptions {
  /** Also write the result to docs/measurements. */
  readonly record: boolean;
  /** Tiny counts: only to see that the bench is not broken. */
  readonly smoke: boolean;
}

/** What a bench found. `settings`: those that it worked out itself, as options leave them to it. */
export interface BenchResult {
  readonly settings?: object;
  readonly [name: string]: unknown;
}

/** Writes bench/results/<file>.json and, if asked, docs/measurements/<file>.json; a smoke run writes nothing. */
export async function recordResult(
  bench: string,
  file: string,
  options: CommonOptions,
  { settings: workedOut, ...result }: BenchResult,
): Promise<void> {
  const { record, smoke, ...settings } = options;
  if (smoke) return;
  const document = {
    bench,
    settings: withoutPlaces({ ...settings, ...workedOut }),
    machine: await machine(),
    ...result,
  };
  const text = `${JSON.stringify(document, undefined, 1)}\n`;
  const places = ["bench/results", ...(record ? ["docs/measurements"] : [])];
  for (const place of places) {
    await mkdir(join(root, place), { recursive: true });
    await writeFile(join(root, place, `${file}.json`), text);
    console.log(`\nwritten: ${place}/${file}.json`);
  }
  if (loadAtStart > 0.5) {
    console.log(
      `\nThe machine was not quiet: its load was ${loadAtStart.toFixed(1)} at the start. Ratios suffer, times more.`,
    );
  }
}

/** Paths of one machine say nothing to others. */
function withoutPlaces(settings: object): object {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => !String(value).includes("/")));
}

async function machine(): Promise<object> {
  const [first] = cpus();
  return {
    cpu: (first?.model ?? "unknown").trim(),
    cores: cpus().length,
    memory_gib: rounded(totalmem() / 1024 ** 3, 0),
    load_at_start: rounded(loadAtStart),
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    onnxruntime: await versionOf("onnxruntime-node"),
    sharp: await versionOf("sharp"),
  };
}

async function versionOf(name: string): Promise<string> {
  const text = await readFile(join(root, "node_modules", name, "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** Name, version and the beginning of the checksum of the bundle that is measured. */
export async function describeBundle(bundle?: string): Promise<string> {
  const { name, version, graph } = await loadManifest(await findBundle(bundle));
  return `${name} ${version} (${graph.precision}, sha256 ${graph.sha256.slice(0, 12)})`;
}
