import {
  itemRejectedType,
  type Pipeline,
  pipelineNamed,
  rejectedEvents,
  runCompletedType,
  runOfExecution,
  type SummarizeInput,
  type SummarizeOutput,
} from "../../layers/pipeline/cloud-contracts.js";
import {
  type Plan,
  parseDocument,
  type RunReport,
  type RunRequest,
  reportSchema,
} from "../../layers/pipeline/contracts.js";
import { readRequest } from "../../layers/pipeline/intake.js";
import { runReportKey } from "../../layers/pipeline/keys.js";
import { readPlan, removeRun } from "../../layers/pipeline/plan.js";
import type { Clock, ObjectStore } from "../../layers/pipeline/ports.js";
import { publishedOutcomes } from "../../layers/pipeline/published-outcomes.js";
import { readStop } from "../../layers/pipeline/stop.js";
import { summarize } from "../../layers/pipeline/summarize.js";
import { ClustsegError } from "../../layers/segments/errors.js";

export interface RunNotice {
  readonly type: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface SummarizePorts {
  readonly staging: ObjectStore;
  readonly resultsOf: (pipeline: Pipeline) => ObjectStore;
  readonly pipelines: readonly Pipeline[];
  readonly clock: Clock;
  readonly notify: (notices: readonly RunNotice[]) => Promise<void>;
}

/**
 * Write a run's report, tell of it, and put away its staging if it is complete; what was stopped or has failed keeps its
 * staging, so that it can go on. Safe to repeat: of a run that is put away, the report that is there is told again.
 *
 * @throws ClustsegError CONFIG_INVALID, OUTCOME_INVALID, STORE_*
 */
export async function summarizeRun(input: SummarizeInput, ports: SummarizePorts): Promise<SummarizeOutput> {
  const { staging } = ports;
  const pipeline = pipelineNamed(ports.pipelines, input.pipeline);
  const results = ports.resultsOf(pipeline);
  const runId = runOfExecution(input.run_id);
  const request = await readRequest(staging, runId).catch((error: unknown) => {
    if (error instanceof ClustsegError && error.code === "RUN_NOT_FOUND") return undefined;
    throw error;
  });
  const plan = await readPlan(staging, runId);
  // The plan goes first: without it the run was about to be put away, or has been, and its report tells the truth.
  const earlier = plan === undefined ? await readReport(results, runId) : undefined;
  const isOver = earlier !== undefined && (request === undefined || earlier.status === "completed");
  const run = { request: request ?? emptyRequest(pipeline, runId, ports.clock), plan };
  const report = isOver ? earlier : await write(run, results, ports);

  const address = `${results.uri}${runReportKey(runId)}`;
  const { status, items } = report;
  await ports.notify([
    ...report.rejected.slice(0, rejectedEvents).map(({ key, code, message, hint, retryable }) => ({
      type: itemRejectedType,
      detail: { run_id: runId, pipeline: pipeline.name, key, code, message, hint, retryable },
    })),
    { type: runCompletedType, detail: { run_id: runId, pipeline: pipeline.name, status, items, report: address } },
  ]);
  if (status === "completed" && request !== undefined) await removeRun(staging, runId);
  return { run_id: runId, status, items, report: address };
}

async function write(
  { request, plan }: { readonly request: RunRequest; readonly plan: Plan | undefined },
  results: ObjectStore,
  { staging, clock }: SummarizePorts,
): Promise<RunReport> {
  const { run_id: runId } = request;
  const stop = await readStop(staging, runId);
  return summarize({
    stores: { staging, results },
    request,
    plan: plan ?? unplanned(request),
    outcomes: publishedOutcomes(staging, runId),
    latest: false,
    clock,
    status: ({ pending }) => {
      if (stop === "over_budget" || (stop !== undefined && pending > 0)) return stop;
      // Whatever has failed on the way: what counts is whether each image has come to its end.
      return plan === undefined || pending > 0 ? "failed" : "completed";
    },
  });
}

/** Plan has failed: none of its images was worked on. */
function unplanned({ run_id, manifest, force }: RunRequest): Plan {
  const { items, digest } = manifest;
  return { schema: "clustseg.plan/1", run_id, manifest_digest: digest, force, items, skipped: 0, shards: [] };
}

/** Of a run that failed before it had a request: its source could not be read, for one. */
function emptyRequest({ model, task, parameters, formats }: Pipeline, runId: string, clock: Clock): RunRequest {
  const { name, version, sha256 } = model;
  return {
    schema: "clustseg.run/1",
    run_id: runId,
    source: "unknown",
    model: { name, version, sha256 },
    task,
    parameters,
    formats,
    shard_items: 1,
    shard_bytes: 1,
    force: false,
    created_at: new Date(clock.now()).toISOString(),
    manifest: { items: 0, bytes: 0, digest: "0".repeat(64) },
  };
}

async function readReport(results: ObjectStore, runId: string): Promise<RunReport | undefined> {
  const key = runReportKey(runId);
  const found = await results.get(key).catch((error: unknown) => {
    if (error instanceof ClustsegError && error.code === "OBJECT_NOT_FOUND") return undefined;
    throw error;
  });
  return found && parseDocument(reportSchema, new TextDecoder().decode(found.body), "OUTCOME_INVALID", key);
}
