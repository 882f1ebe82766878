import {
  type ExecutionInput,
  executionInputSchema,
  parseValue,
  retryName,
  runOfExecution,
} from "../../layers/pipeline/cloud-contracts.js";
import { parseDocument, type RunReport, reportSchema, runIdSchema } from "../../layers/pipeline/contracts.js";
import { runReportKey } from "../../layers/pipeline/keys.js";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import type { RunCounts } from "../../layers/pipeline/run-events.js";
import { readStop } from "../../layers/pipeline/stop.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { type FailureWords, failureWords } from "./failure-words.js";
import type { Cloud } from "./open-cloud.js";
import type { Execution, ExecutionDetail } from "./ports.js";
import { runProgress } from "./run-progress.js";

/**
 * planning: the source is listed and cut into shards. stopping: a stop was asked for, what is in hand is finished.
 * finishing: the report is written, and what lay in staging is put away.
 * stopped: at once, by `cancel --now`, without a report. The others are a report's.
 */
export type RunState =
  | "planning"
  | "segmenting"
  | "finishing"
  | "stopping"
  | "stopped"
  | "failed"
  | "completed"
  | "cancelled"
  | "over_budget";

/** A run as the executions of the state machine tell of it. */
export interface FoundRun {
  readonly runId: string;
  readonly pipeline: string;
  readonly input: ExecutionInput;
  /** The one that counts: the last that was started for the run. */
  readonly last: ExecutionDetail;
  /** How often it was gone on with. */
  readonly retries: number;
  readonly startedAt: Date;
}

export interface RunView {
  readonly run_id: string;
  readonly pipeline: string;
  readonly state: RunState;
  readonly counts?: RunCounts;
  readonly shards?: { readonly total: number; readonly done: number };
  /** Packs of segmented images that wait to be published. */
  readonly packs?: number;
  readonly started_at: string;
  readonly finished_at?: string;
  readonly retries: number;
  /** s3:// address. */
  readonly report?: string;
  /** Why it failed. */
  readonly error?: FailureWords;
}

export const endedStates: ReadonlySet<RunState> = new Set([
  "stopped",
  "failed",
  "completed",
  "cancelled",
  "over_budget",
]);

/**
 * The run of this id (or of the name of one of its executions), or the newest one.
 * @throws ClustsegError RUN_NOT_FOUND, or a CLOUD_* code
 */
export async function findRun(cloud: Cloud, asked: string | undefined): Promise<FoundRun> {
  const runId = asked === undefined ? await newestRun(cloud) : runOfExecution(asked);
  const first = runIdSchema.safeParse(runId).success ? await cloud.executions.find(runId) : undefined;
  if (first === undefined) throw await runNotFound(cloud, runId);
  let last = first;
  let retries = 0;
  for (;;) {
    const next = await cloud.executions.find(retryName(runId, retries + 1));
    if (next === undefined) break;
    last = next;
    retries++;
  }
  const input = parseValue(executionInputSchema, inputOf(first), "RUN_REQUEST_INVALID", `the input of run ${runId}`);
  return { runId, pipeline: input.pipeline, input, last, retries, startedAt: first.startedAt };
}

/** The newest run that is at work, or has ended just now; undefined when there is none. */
export async function currentRun(
  cloud: Cloud,
  now: number,
  recentMs: number,
): Promise<{ readonly runId: string; readonly hasEnded: boolean } | undefined> {
  for await (const { name, status, stoppedAt } of cloud.executions.list()) {
    const hasEnded = status !== "running";
    const isRecent = !hasEnded || now - (stoppedAt?.getTime() ?? now) < recentMs;
    return isRecent ? { runId: runOfExecution(name), hasEnded } : undefined;
  }
  return undefined;
}

async function newestRun(cloud: Cloud): Promise<string> {
  for await (const { name } of cloud.executions.list()) return runOfExecution(name);
  throw new ClustsegError("RUN_NOT_FOUND", `the stack ${cloud.stack.name} has had no run yet`, {
    hint: "Upload images (`clustseg upload <folder>`), or `clustseg submit` what is in the bucket already.",
  });
}

async function runNotFound(cloud: Cloud, runId: string): Promise<ClustsegError> {
  const names: string[] = [];
  for await (const run of recentRuns(cloud, 5)) names.push(run.runId);
  return new ClustsegError("RUN_NOT_FOUND", `the stack ${cloud.stack.name} has no run ${runId}`, {
    hint:
      names.length === 0
        ? "It has had none yet: `clustseg submit` starts one."
        : `The last ones: ${names.join(", ")}. \`clustseg status\` lists them.`,
  });
}

function inputOf({ input }: ExecutionDetail): unknown {
  try {
    return JSON.parse(input);
  } catch {
    return undefined;
  }
}

/** The newest runs, each once, by their last execution. */
export async function* recentRuns(
  cloud: Cloud,
  most: number,
): AsyncGenerator<{ readonly runId: string; readonly last: Execution }> {
  const seen = new Set<string>();
  for await (const last of cloud.executions.list()) {
    const runId = runOfExecution(last.name);
    if (seen.has(runId)) continue;
    seen.add(runId);
    yield { runId, last };
    if (seen.size === most) return;
  }
}

/** How a run stands. */
export async function viewRun(cloud: Cloud, run: FoundRun): Promise<RunView> {
  const { runId, pipeline, last, retries, startedAt } = run;
  const base = { run_id: runId, pipeline, retries, started_at: startedAt.toISOString() };
  const results = await cloud.results(pipeline);
  if (last.status === "running") return { ...base, ...(await viewOfWork(cloud, run, results)) };
  const report = await currentReport(results, run);
  const ended = last.stoppedAt === undefined ? {} : { finished_at: last.stoppedAt.toISOString() };
  const error = last.status === "succeeded" ? {} : { error: await wordsOf(cloud, last) };
  if (report === undefined) {
    const progress = await runProgress(cloud.staging, runId, cloud.counted);
    const counts = progress?.counts === undefined ? {} : { counts: progress.counts, shards: progress.shards };
    const state = last.status === "aborted" ? "stopped" : last.status === "succeeded" ? "completed" : "failed";
    return { ...base, ...counts, ...ended, ...error, state };
  }
  const state = last.status === "succeeded" ? report.status : stateOfFailed(last, report);
  return {
    ...base,
    ...ended,
    ...error,
    state,
    counts: countsOf(report),
    report: `${results.uri}${runReportKey(runId)}`,
  };
}

/** A run whose last execution has not ended. */
async function viewOfWork(
  { staging, counted }: Cloud,
  run: FoundRun,
  results: ObjectStore,
): Promise<Pick<RunView, "state" | "counts" | "shards" | "packs">> {
  const [progress, stop] = await Promise.all([runProgress(staging, run.runId, counted), readStop(staging, run.runId)]);
  if (progress?.counts !== undefined) {
    const { counts, shards, packs } = progress;
    return { state: stop === undefined ? "segmenting" : "stopping", counts, shards, packs };
  }
  if (stop !== undefined) return { state: "stopping" };
  // Staging is empty before the run is planned, and after its report.
  const report = progress === undefined ? await currentReport(results, run) : undefined;
  return report === undefined ? { state: "planning" } : { state: "finishing", counts: countsOf(report) };
}

function countsOf({ items: { total, segmented, skipped, rejected } }: RunReport): RunCounts {
  return { total, done: segmented + skipped + rejected, segmented, skipped, rejected };
}

/** The report of the last execution; one of before it tells of an earlier go. */
async function currentReport(results: ObjectStore, { runId, last }: FoundRun): Promise<RunReport | undefined> {
  const found = await readReport(results, runId);
  return found !== undefined && Date.parse(found.finished_at) >= last.startedAt.getTime() ? found : undefined;
}

/** What the state machine ends with after its summary; why is in the steps before. */
const summarized = "RUN_FAILED";

async function wordsOf(cloud: Cloud, { name, status, error, cause }: ExecutionDetail): Promise<FailureWords> {
  // Without the permission to read its history, what it ended with has to do.
  const reason = error === summarized ? await cloud.executions.reason(name).catch(() => undefined) : undefined;
  const words = reason === undefined ? failureWords(error ?? status, cause) : failureWords(reason.error, reason.cause);
  return { ...words, hint: words.hint.replaceAll("<run>", runOfExecution(name)) };
}

/** The state machine fails on purpose after the summary of a run that did not come to its end. */
function stateOfFailed({ status }: Execution, report: RunReport): RunState {
  if (report.status === "cancelled" || report.status === "over_budget") return report.status;
  return status === "aborted" ? "stopped" : "failed";
}

/** @throws ClustsegError METADATA_INVALID, or a STORE_* code */
export async function readReport(results: ObjectStore, runId: string): Promise<RunReport | undefined> {
  const key = runReportKey(runId);
  const found = await results.get(key).catch((error: unknown) => {
    if (error instanceof ClustsegError && error.code === "OBJECT_NOT_FOUND") return undefined;
    throw error;
  });
  if (found === undefined) return undefined;
  return parseDocument(reportSchema, new TextDecoder().decode(found.body), "METADATA_INVALID", key);
}
