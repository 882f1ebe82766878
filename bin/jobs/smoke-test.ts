import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { claimOf } from "../../layers/pipeline/claim.js";
import { decodeMetadata, hasResultFile } from "../../layers/pipeline/metadata.js";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { examplesFolder } from "../addresses/examples.js";
import type { Cloud } from "../cloud/open-cloud.js";
import { findRun, recentRuns, viewRun } from "../cloud/runs.js";
import { duration } from "../terminal/io.js";
import type { Finding } from "./examine.js";

export interface SmokeOptions {
  /** A machine that has to start takes minutes. @default 15 minutes */
  readonly patienceMs?: number;
  /** @default 2 s */
  readonly everyMs?: number;
}

const prefix = "clustseg-smoke/";

/**
 * Upload an example image, wait for its result from each pipeline, look at that, and remove both, their versions included. The
 * run's report stays, as that of any run; so does a result that comes after the patience is over.
 */
export async function smokeTest(
  cloud: Cloud,
  say: (line: string) => void,
  { patienceMs = 15 * 60_000, everyMs = 2000 }: SmokeOptions = {},
): Promise<Finding[]> {
  const file = await smallestExample();
  const key = `${prefix}${Date.now().toString(36)}${path.extname(file)}`;
  const began = Date.now();
  await cloud.uploads.put(key, await readFile(file));
  say(`uploaded ${cloud.uploads.uri}${key}; waiting for its masks, which takes minutes if a machine has to start`);
  const stores = await Promise.all(
    cloud.stack.pipelines.map(async ({ name }) => ({ name, results: await cloud.results(name) })),
  );
  try {
    const waiting = new Map(stores.map(({ name, results }) => [name, results]));
    const findings: Finding[] = [];
    while (waiting.size > 0) {
      for (const [name, results] of waiting) {
        const text = await look(results, key);
        if (text === undefined) continue;
        waiting.delete(name);
        findings.push({ state: "ok", what: `smoke test ${name}`, text: `${text}, after ${after(began)}` });
      }
      if (waiting.size === 0) break;
      const failure = await failureSince(cloud, began);
      if (failure !== undefined || Date.now() - began > patienceMs) {
        for (const name of waiting.keys()) findings.push(failed(name, failure, after(began)));
        break;
      }
      await sleep(everyMs);
    }
    return findings;
  } finally {
    const objects = await cloud.services.objects();
    for (const { uri } of [cloud.uploads, ...stores.map(({ results }) => results)]) {
      await objects.purge(uri, key).catch(() => {});
    }
  }
}

async function smallestExample(): Promise<string> {
  const folder = examplesFolder();
  const files = (await readdir(folder)).map((name) => path.join(folder, name));
  const sizes = await Promise.all(files.map(async (file) => ({ file, size: (await stat(file)).size })));
  const [smallest] = sizes.sort((a, b) => a.size - b.size);
  if (smallest !== undefined) return smallest.file;
  throw new ClustsegError("SOURCE_EMPTY", `there is no example image in ${folder}`, {
    hint: "Get the repository anew.",
  });
}

/** What the result says of itself, once it is whole. */
async function look(results: ObjectStore, key: string): Promise<string | undefined> {
  if ((await results.head(`${key}/metadata.json`)) === undefined) return undefined;
  const { body } = await results.get(`${key}/metadata.json`);
  if (claimOf(body) !== undefined) return undefined;
  const { frame, segments, files, model } = decodeMetadata(body, `${results.uri}${key}/metadata.json`);
  for (const { name, bytes } of files) {
    if (await hasResultFile(results, key, name as "segments.png", bytes)) continue;
    throw new ClustsegError("METADATA_INVALID", `${results.uri}${key}/${name} is not there as metadata.json lists it`, {
      hint: "Report this: metadata.json is written last.",
    });
  }
  return `${segments} segments in ${frame.width} x ${frame.height}, by ${model.name} ${model.version}`;
}

/** A run that has failed since then, in words. */
async function failureSince(cloud: Cloud, began: number): Promise<Finding["text"] | undefined> {
  // Clocks differ by a little.
  const since = began - 5000;
  for await (const { runId, last } of recentRuns(cloud, 20)) {
    if (last.startedAt.getTime() < since) return undefined;
    if (last.status !== "failed" && last.status !== "timed_out") continue;
    const { error } = await viewRun(cloud, await findRun(cloud, runId));
    return `the run ${runId} failed: ${error?.text ?? "it does not say why"}`;
  }
  return undefined;
}

function failed(name: string, failure: string | undefined, time: string): Finding {
  return {
    state: "bad",
    what: `smoke test ${name}`,
    text: failure ?? `no result after ${time}`,
    hint:
      failure === undefined
        ? "Look above for machines and quotas; `clustseg status` shows whether a run was started at all."
        : "`clustseg logs <run> --errors` tells more.",
  };
}

function after(began: number): string {
  return duration((Date.now() - began) / 1000);
}
