import { mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Cloud, Stack } from "./cloud.js";

export interface Figures {
  /** A row a stage, for people. */
  readonly table: string;
  /** PUTs an image, all stages together, in a run of shards of 1,000 images, which is the default. */
  readonly putsAtDefault: number;
}

/** Result files of an image by default, and images of a pack. */
const [files, packItems, defaultShard] = [2, 32, 1000];

const operations = ["PutObject", "GetObject", "HeadObject", "ListObjects", "DeleteObject"] as const;

/** What the stages asked of S3 an image, between two marks of the ledger; also written to out/cloud-test/requests.json. */
export function perImage({ emulator }: Cloud, stack: Stack, images: number, since: number, until: number): Figures {
  const { ledger } = emulator.proxy;
  const entries = ledger.entries(since).slice(0, until - since);
  const counts = new Map<string, Map<string, number>>();
  let puts = 0;
  let packs = 0;
  const shards = new Set<string>();
  let stagedBytes = 0;
  let resultBytes = 0;
  for (const { service, stage, operation, status, bucket, key, bytes } of entries) {
    if (service !== "s3" || status === 0 || status >= 500 || ["test", "deploy", "cli"].includes(stage)) continue;
    const row = counts.get(stage) ?? new Map<string, number>();
    row.set(operation, (row.get(operation) ?? 0) + 1);
    counts.set(stage, row);
    if (operation !== "PutObject" && operation !== "UploadPart") continue;
    puts++;
    const shard = /\/packs\/(\d+)\//.exec(key)?.[1];
    if (bucket === stack.staging && shard !== undefined) {
      packs++;
      shards.add(shard);
    }
    if (bucket === stack.staging) stagedBytes += bytes;
    if (bucket === stack.results) resultBytes += bytes;
  }
  const stages: Record<string, Record<string, number>> = {};
  for (const [stage, row] of counts) {
    stages[stage] = Object.fromEntries([...row].map(([name, count]) => [name, round(count / images)]));
  }
  // A pack is a PUT, and its outcomes another; what is left is paid for by shards and by the run, as small as that is here.
  const rest = puts - images * files - packs * 2;
  const putsAtDefault = files + 2 / packItems + rest / Math.max(1, shards.size) / defaultShard;
  const document = {
    images,
    shards: shards.size,
    packs,
    per_image: {
      stages,
      puts: round(puts / images),
      puts_in_shards_of_1000: round(putsAtDefault),
      bytes_staged: Math.round(stagedBytes / images),
      bytes_of_results: Math.round(resultBytes / images),
    },
  };
  const folder = resolve("out/cloud-test");
  mkdirSync(folder, { recursive: true });
  writeFileSync(resolve(folder, "requests.json"), `${JSON.stringify(document, undefined, 2)}\n`);

  const head = `${"".padEnd(10)}${operations.map((name) => name.padStart(14)).join("")}`;
  const rows = Object.entries(stages).map(
    ([stage, row]) => `${stage.padEnd(10)}${operations.map((name) => String(row[name] ?? 0).padStart(14)).join("")}`,
  );
  const { bytes_staged: staged, bytes_of_results: results } = document.per_image;
  return {
    table: [
      head,
      ...rows,
      `PUTs ${round(puts / images)} (${round(putsAtDefault)} in shards of 1,000), bytes staged ${staged}, bytes of results ${results}`,
    ].join("\n"),
    putsAtDefault,
  };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
