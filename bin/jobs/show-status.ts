import { setTimeout as sleep } from "node:timers/promises";
import type { RunCounts } from "../../layers/pipeline/run-events.js";
import { mapBounded } from "../../layers/pipeline/semaphore.js";
import { asClustsegError } from "../../layers/segments/errors.js";
import { type Cloud, openCloud } from "../cloud/open-cloud.js";
import { currentRun, endedStates, findRun, type RunView, recentRuns, viewRun } from "../cloud/runs.js";
import type { CloudCommandOptions } from "../commands/cloud-options.js";
import { type ExitCode, errorText, exitCodes } from "../terminal/exit.js";
import { count, duration, type Io, jsonLine, plural, printable } from "../terminal/io.js";
import { noProgress, openProgress } from "../terminal/progress.js";
import { countsText, exitCodeOfView, runLines, stateText } from "../terminal/run-text.js";
import { listenForStop } from "../terminal/stop.js";
import { table } from "../terminal/table.js";

export interface WatchRunOptions extends CloudCommandOptions {
  /** Seconds between two looks. */
  readonly every: number;
}

export interface StatusOptions extends WatchRunOptions {
  readonly watch?: true;
  /** Runs to list. */
  readonly last: number;
}

const looksAtOnce = 8;
/** A watcher sits out this many failed looks in a row. */
const patience = 20;

export async function showStatus(io: Io, asked: string | undefined, options: StatusOptions): Promise<ExitCode> {
  const cloud = await openCloud(options, io.cwd);
  if (options.watch) return watchRun(io, cloud, asked, options);
  if (asked === undefined) return listRuns(io, cloud, options);
  const view = await viewRun(cloud, await findRun(cloud, asked));
  if (options.json) io.print(jsonLine({ type: "run", ...view }));
  else for (const line of runLines(view, Date.now())) io.print(line);
  return exitCodeOfView(view);
}

async function listRuns(io: Io, cloud: Cloud, { last, json }: StatusOptions): Promise<ExitCode> {
  const recent: { readonly runId: string }[] = [];
  for await (const run of recentRuns(cloud, last)) recent.push(run);
  const runs = await mapBounded(recent, looksAtOnce, async ({ runId }) => viewRun(cloud, await findRun(cloud, runId)));
  if (json) {
    io.print(jsonLine({ stack: cloud.stack.name, runs }));
    return exitCodes.done;
  }
  if (runs.length === 0) {
    io.print(`the stack ${printable(cloud.stack.name)} has had no run yet`);
    io.print(`next  clustseg upload <folder>, or clustseg submit ${printable(cloud.stack.uploads)}`);
    return exitCodes.done;
  }
  const rows = runs.map((view) => [
    view.run_id,
    view.pipeline,
    stateText(view.state),
    view.counts === undefined ? "" : count(view.counts.total),
    view.counts === undefined ? "" : count(view.counts.done),
    view.counts === undefined ? "" : count(view.counts.rejected),
    view.started_at.slice(0, 16).replace("T", " "),
    tookText(view),
  ]);
  const head = ["run", "pipeline", "state", "images", "done", "rejected", "started (UTC)", "took"];
  io.print(table(head, rows, [3, 4, 5, 7]));
  return exitCodes.done;
}

function tookText({ started_at, finished_at }: RunView): string {
  const end = finished_at === undefined ? Date.now() : Date.parse(finished_at);
  return duration((end - Date.parse(started_at)) / 1000);
}

/** Stay with a run until it has ended; a signal ends the watching and not the run. */
export async function watchRun(
  io: Io,
  cloud: Cloud,
  asked: string | undefined,
  options: WatchRunOptions,
): Promise<ExitCode> {
  const progress = options.json ? noProgress(io) : openProgress(io);
  let runId = asked ?? "the run";
  const stop = listenForStop({
    gone: io.gone,
    onStop: () => progress.say(`the run goes on: clustseg status ${runId} --watch, clustseg cancel ${runId}`),
    restore: () => progress.end(),
  });
  try {
    const waited = asked ?? (await awaitRun(cloud, stop.signal, progress.say));
    if (stop.signal.aborted) return exitCodes.failed;
    runId = (await findRun(cloud, waited)).runId;
    let shown = "";
    let planned: RunCounts | undefined;
    let failures = 0;
    while (!stop.signal.aborted) {
      // The machine may sleep, or its network be away, for a while: the run does not care, so the watcher must not.
      const view = await findRun(cloud, runId)
        .then((found) => viewRun(cloud, found))
        .catch((error: unknown) => {
          if (!asClustsegError(error).retryable || ++failures > patience) throw error;
          progress.say(errorText(error, false));
        });
      if (view !== undefined) {
        failures = 0;
        const text = jsonLine({ type: "run", ...view });
        if (options.json && text !== shown) io.print(text);
        if (view.counts !== undefined && planned === undefined && !endedStates.has(view.state)) {
          planned = view.counts;
          progress.show({ type: "planned", counts: planned });
        } else if (view.counts !== undefined && planned !== undefined && text !== shown) {
          progress.show({ type: "item", counts: view.counts });
        }
        if (endedStates.has(view.state)) {
          progress.end();
          if (!options.json) for (const line of runLines(view, Date.now())) io.print(line);
          return exitCodeOfView(view);
        }
        if (text !== shown && !options.json) await saySituation(cloud, view, progress.say);
        shown = text;
      }
      await sleep(options.every * 1000, undefined, { signal: stop.signal }).catch(() => {});
    }
    return exitCodes.failed;
  } finally {
    progress.end();
    stop.release();
  }
}

export interface AwaitOptions {
  /** @default 1 s */
  readonly everyMs?: number;
  /** A run that has ended within this is what is meant. @default 2 minutes */
  readonly recentMs?: number;
  /** An ended one may be the run before that of the last upload: so long a newer one is waited for. @default 10 s */
  readonly newerMs?: number;
  /** @default 5 minutes */
  readonly patienceMs?: number;
}

/**
 * The run that is at work, or has ended just now; else the next one that begins: between an upload and its run is a while.
 * @returns undefined when none has begun in time
 */
export async function awaitRun(
  cloud: Cloud,
  signal: AbortSignal,
  say: (line: string) => void,
  { everyMs = 1000, recentMs = 120_000, newerMs = 10_000, patienceMs = 300_000 }: AwaitOptions = {},
): Promise<string | undefined> {
  const began = Date.now();
  for (let looks = 0; !signal.aborted && Date.now() - began < patienceMs; looks++) {
    const found = await currentRun(cloud, Date.now(), recentMs);
    if (found !== undefined && (!found.hasEnded || Date.now() - began >= newerMs)) return found.runId;
    if (looks === 0 && found === undefined) say("no run is at work; waiting for one to begin");
    else if (looks === 0) say(`${found?.runId} has ended; waiting ${duration(newerMs / 1000)} for a newer one`);
    await sleep(everyMs, undefined, { signal }).catch(() => {});
  }
  return undefined;
}

/** What the numbers do not tell: that there is no machine yet. */
async function saySituation(cloud: Cloud, view: RunView, say: (line: string) => void): Promise<void> {
  if (view.state === "planning") say("planning: looking what there is and what is done already");
  if (view.state !== "segmenting" || view.counts?.done !== view.counts?.skipped) return;
  const jobs = await cloud.services.jobs(cloud.stack);
  const queue = await jobs?.queue().catch(() => undefined);
  if (queue === undefined) return;
  for (const problem of queue.problems) say(`${problem}: clustseg doctor --cloud`);
  if (queue.waiting > 0 && queue.running === 0) {
    say(
      `${plural(queue.waiting, "job")} waiting for a machine to start, which takes some minutes (${countsText(view)})`,
    );
  }
}
