import path from "node:path";
import type { ItemOutcome } from "../../layers/pipeline/contracts.js";
import { reportKey, runItemsKey, runReportKey } from "../../layers/pipeline/keys.js";
import { orderedMap } from "../../layers/pipeline/ordered-map.js";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { FolderStore } from "../../layers/storage/folder-store.js";
import { checkFolder, isS3Address, tidyOutput } from "../addresses/stores.js";
import { type Copied, copyResult } from "../cloud/copy-result.js";
import { openCloud } from "../cloud/open-cloud.js";
import { runOutcomes } from "../cloud/run-outcomes.js";
import { endedStates, findRun, type RunView, viewRun } from "../cloud/runs.js";
import type { CloudCommandOptions } from "../commands/cloud-options.js";
import { type ExitCode, exitCodes } from "../terminal/exit.js";
import { byteSize, count, duration, type Io, jsonLine, plural, printable } from "../terminal/io.js";
import { noProgress, openProgress } from "../terminal/progress.js";
import { stateText } from "../terminal/run-text.js";
import { listenForStop } from "../terminal/stop.js";

export interface ResultsOptions extends CloudCommandOptions {
  readonly out: string;
  readonly concurrency: number;
}

const mostTold = 10;

class Tally {
  copied = 0;
  there = 0;
  gone = 0;
  rejected = 0;
  failed = 0;
  bytes = 0;

  add(fetched: Fetched): void {
    this[fetched.was]++;
    if (fetched.was === "copied") this.bytes += fetched.bytes;
  }

  get done(): number {
    return this.copied + this.there + this.gone + this.rejected + this.failed;
  }
}

type Fetched = Copied | { readonly was: "rejected" } | { readonly was: "failed"; readonly error: ClustsegError };

/** Fetch what a run has made into a folder. */
export async function fetchResults(io: Io, asked: string, options: ResultsOptions): Promise<ExitCode> {
  if (isS3Address(options.out)) {
    throw new ClustsegError("USAGE", "--out is an address of a bucket", {
      hint: "Give a folder of this machine. From bucket to bucket: aws s3 sync.",
    });
  }
  await checkFolder(options.out, io.cwd);
  const cloud = await openCloud(options, io.cwd);
  const run = await findRun(cloud, asked);
  const [view, from] = await Promise.all([viewRun(cloud, run), cloud.results(run.pipeline)]);
  const to = new FolderStore(path.resolve(io.cwd, options.out));
  const progress = options.json ? noProgress(io) : openProgress(io);
  const stop = listenForStop({
    gone: io.gone,
    onStop: () => progress.say("stopping after the images in flight; the same command fetches the rest"),
    restore: () => progress.end(),
  });
  const began = performance.now();
  const tally = new Tally();
  try {
    const total = Math.max(view.counts?.done ?? 0, 1);
    const counts = () => {
      const failed = tally.failed + tally.gone;
      return { total: Math.max(total, tally.done), done: tally.done, segmented: 0, skipped: 0, rejected: failed };
    };
    progress.show({ type: "planned", counts: counts() });
    const outcomes = until(stop.signal, runOutcomes(from, cloud.staging, run.runId));
    const work = (outcome: ItemOutcome) => fetchOne(from, to, outcome);
    for await (const fetched of orderedMap(outcomes, options.concurrency, work)) {
      tally.add(fetched);
      if (fetched.was === "failed" && tally.failed <= mostTold) {
        progress.say(`failed: ${printable(fetched.error.message)} [${fetched.error.code}]`);
      }
      progress.show({ type: "item", counts: counts() });
    }
    if (view.report !== undefined && !stop.signal.aborted) await fetchReport(from, to, run.runId);
  } finally {
    progress.end();
    stop.release();
    tidyOutput(options.out, io.cwd);
  }
  tell(io, view, tally, options, (performance.now() - began) / 1000);
  if (stop.signal.aborted) return exitCodes.failed;
  if (!endedStates.has(view.state) || view.state === "completed") {
    return tally.rejected + tally.gone + tally.failed > 0 ? exitCodes.rejected : exitCodes.done;
  }
  // All that there is was fetched, but the run itself did not come to its end.
  return exitCodes.rejected;
}

async function* until<T>(signal: AbortSignal, values: AsyncIterable<T>): AsyncGenerator<T> {
  for await (const value of values) {
    if (signal.aborted) return;
    yield value;
  }
}

async function fetchOne(from: ObjectStore, to: ObjectStore, outcome: ItemOutcome): Promise<Fetched> {
  if (outcome.status === "rejected") return { was: "rejected" };
  try {
    return await copyResult(from, to, outcome.key, outcome.result_id);
  } catch (error) {
    // What is wrong with one result costs no other; a store that fails would fail for all.
    if (!(error instanceof ClustsegError) || (error.fault !== "input" && error.code !== "METADATA_INVALID"))
      throw error;
    return { was: "failed", error };
  }
}

async function fetchReport(from: ObjectStore, to: ObjectStore, runId: string): Promise<void> {
  await to.putLines(runItemsKey(runId), from.lines(runItemsKey(runId)));
  const { body } = await from.get(runReportKey(runId));
  for (const key of [runReportKey(runId), reportKey]) await to.put(key, body);
}

function tell(io: Io, view: RunView, tally: Tally, { out, json }: ResultsOptions, seconds: number): void {
  const { copied, there, gone, rejected, failed, bytes } = tally;
  if (json) {
    const counts = { fetched: copied, there, replaced: gone, rejected, failed, bytes };
    io.print(jsonLine({ type: "results", run_id: view.run_id, state: view.state, out, ...counts, seconds }));
    return;
  }
  const parts = [
    `${plural(copied, "result")} fetched (${byteSize(bytes)})`,
    ...(there > 0 ? [`${count(there)} there already`] : []),
    ...(rejected > 0 ? [`${count(rejected)} rejected, which have none`] : []),
    ...(gone > 0 ? [`${count(gone)} replaced by a later run's`] : []),
    ...(failed > 0 ? [`${count(failed)} failed`] : []),
  ];
  io.print(`${parts.join(", ")}, in ${duration(seconds)}`);
  if (view.state !== "completed") {
    const rest = endedStates.has(view.state) ? `clustseg redrive ${view.run_id}` : "the same command fetches the rest";
    io.print(`the run is not complete (${stateText(view.state)}): ${rest}`);
  }
  io.print(`next  clustseg view ${printable(out)}`);
}
