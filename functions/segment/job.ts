import { availableParallelism } from "node:os";
import path from "node:path";
import { type BundleManifest, loadManifest } from "../../layers/model/bundle.js";
import { findBundle } from "../../layers/model/find-bundle.js";
import { type Model, openModel } from "../../layers/model/open-model.js";
import { createSegmenter, readRequest as readModelRequest } from "../../layers/model/segmenter.js";
import type { Pipeline } from "../../layers/pipeline/cloud-contracts.js";
import type { RunRequest } from "../../layers/pipeline/contracts.js";
import type { FailureBudget } from "../../layers/pipeline/failure-budget.js";
import { readRequest } from "../../layers/pipeline/intake.js";
import type { RunStores } from "../../layers/pipeline/ports.js";
import { segmentShard } from "../../layers/pipeline/segment-shard.js";
import { readStop } from "../../layers/pipeline/stop.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { assertSameModel } from "../same-model.js";
import { withDeadline } from "./deadline.js";
import type { Interruption } from "./interruption.js";
import type { JobReports } from "./reports.js";

export interface SegmentJob {
  readonly stores: Pick<RunStores, "uploads" | "staging">;
  readonly pipeline: Pipeline;
  readonly runId: string;
  readonly shard: string;
  /** Folder of bundles, each in a folder of the model's name. @default the bundles beside the code */
  readonly models?: string | undefined;
  /** The one provider that may be used. */
  readonly provider: "cuda" | "cpu";
  /** Copies of the graph at work at once. @default on CPU one a core, on CUDA one */
  readonly workers?: number | undefined;
  readonly failureBudget?: FailureBudget;
  readonly interruption: Interruption;
  readonly reports: JobReports;
  /** Time for a graph that is still at work when all is saved. @default 10,000 ms */
  readonly closeMs?: number;
}

export interface JobEnd {
  /** "stopped": by a marker in staging, be it from elsewhere or for this shard's own rejects. */
  readonly end: "complete" | "interrupted" | "stopped";
  readonly items?: number;
  readonly done?: number;
  readonly why?: string;
}

/**
 * Segment what is left of one shard and leave it in staging as packs. May be called for the same shard again and again, and
 * goes on where the last call came to.
 *
 * @throws ClustsegError RUN_NOT_FOUND, RUN_REQUEST_INVALID, RUN_MODEL_CHANGED, MODEL_PROVIDER_UNAVAILABLE (never a silent run
 * on another provider), other MODEL_* codes, TASK_UNSUPPORTED, PARAMETER_INVALID, MANIFEST_INVALID, STORE_*
 */
export async function segmentJob(job: SegmentJob): Promise<JobEnd> {
  const { stores, runId, interruption, reports } = job;
  const marker = await readStop(stores.staging, runId);
  if (marker !== undefined) return { end: "stopped", why: marker };
  const request = await readRequest(stores.staging, runId);
  if (request.source !== stores.uploads.uri) throw otherSource(request, stores.uploads.uri);
  const { model, manifest } = await openRequested(job, request);
  reports.opened(model, manifest);
  try {
    return await work(job, request, model);
  } finally {
    await closeModel(model, interruption, job.closeMs ?? 10_000);
  }
}

async function work(job: SegmentJob, request: RunRequest, model: Model): Promise<JobEnd> {
  const { stores, interruption, reports, failureBudget } = job;
  const { segmenter, uploads } = withDeadline(
    { segmenter: createSegmenter(model), uploads: stores.uploads },
    interruption.overdue,
  );
  try {
    const { items, done, complete, stopped } = await segmentShard({
      stores: { uploads, staging: reports.counting(stores.staging) },
      segmenter,
      request,
      shard: job.shard,
      ...inFlight(job),
      signal: interruption.stopping,
      watchStop: true,
      crashGuard: true,
      ...(failureBudget === undefined ? {} : { sharedBudget: failureBudget }),
      onOutcome: (outcome) => reports.outcome(outcome),
      onPack: (pack, packed) => reports.packed(pack, packed),
    });
    if (complete) return { end: "complete", items, done };
    if (stopped !== undefined) return { end: "stopped", items, done, why: stopped };
    return { end: "interrupted", items, done, why: interruption.reason ?? "" };
  } catch (error) {
    const gaveUp = interruption.overdue.aborted && error instanceof ClustsegError && error.code === "RUN_CANCELLED";
    if (gaveUp) return { end: "interrupted", why: `${interruption.reason}, and the time was up` };
    throw error;
  }
}

/** The run's model, opened once it is certain that it is the very one that the run was planned for, and can do what is asked. */
async function openRequested(
  { models, pipeline, provider, workers }: SegmentJob,
  request: RunRequest,
): Promise<{ readonly model: Model; readonly manifest: BundleManifest }> {
  const { name } = pipeline.model;
  const folder = await findBundle(models === undefined ? name : path.join(models, name));
  const manifest = await loadManifest(folder);
  assertSameModel(request.model, { ...manifest, sha256: manifest.graph.sha256 });
  // Before there is an image: what is wrong with the request would be wrong with every one.
  readModelRequest(request, manifest);
  // openModel compares the graph itself with model.json.
  const model = await openModel(folder, {
    executionProviders: [provider],
    // Many images: one thread an image, and as many images at once. On a GPU one worker feeds it.
    ...(provider === "cpu" ? { threads: 1, workers: workers ?? availableParallelism() } : { workers: workers ?? 1 }),
  });
  return { model, manifest };
}

function otherSource({ source }: RunRequest, uploads: string): ClustsegError {
  return new ClustsegError("RUN_REQUEST_INVALID", `the run is about ${source}, but uploads are ${uploads}`, {
    hint: "It is a run of another stack; give each stack its own staging prefix.",
  });
}

/** So many images that no worker waits for a fetch or for a decoder, and no more, as each is held in memory. */
function inFlight({ provider, workers }: SegmentJob): { readonly concurrency: number; readonly fetchAhead: number } {
  const busy = provider === "cpu" ? (workers ?? availableParallelism()) : availableParallelism();
  return { concurrency: busy + 2, fetchAhead: Math.max(4, 2 * busy) };
}

/**
 * Waits for the graph, but no longer than there is time: an image that was given up is still at work, and one that is not let
 * finish would take the process down with it (node cannot end a thread that is inside onnxruntime).
 */
async function closeModel(model: Model, interruption: Interruption, closeMs: number): Promise<void> {
  const closed = model.close();
  if (!interruption.stopping.aborted) return closed;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, closeMs);
  });
  await Promise.race([closed, late]).finally(() => clearTimeout(timer));
}
