import {
  type ExecutionInput,
  type Pipeline,
  type PlanOutput,
  pipelineNamed,
} from "../../layers/pipeline/cloud-contracts.js";
import type { RunRequest } from "../../layers/pipeline/contracts.js";
import { intake, readRequest } from "../../layers/pipeline/intake.js";
import { plan, readPlan } from "../../layers/pipeline/plan.js";
import type { Clock, RunStores } from "../../layers/pipeline/ports.js";
import type { IntakeSource } from "../../layers/pipeline/selection.js";
import { clearShardCounts } from "../../layers/pipeline/shard-counts.js";
import { shardsToDo, writeShardMap } from "../../layers/pipeline/shard-map.js";
import { isStopped } from "../../layers/pipeline/stop.js";

export interface PlanPorts {
  readonly uploads: RunStores["uploads"];
  readonly staging: RunStores["staging"];
  /** The results store of a pipeline. */
  readonly resultsOf: (pipeline: Pipeline) => RunStores["results"];
  /** What a submit's prefix, list or inventory selects. */
  readonly sourceOf: (submit: Extract<ExecutionInput, { submit: unknown }>["submit"]) => Promise<IntakeSource>;
  readonly pipelines: readonly Pipeline[];
  readonly shard: { readonly items: number; readonly bytes: number };
  /** What goes to the quick function; undefined when there is none. */
  readonly quick: { readonly maxImages: number; readonly maxBytes: number } | undefined;
  readonly clock: Clock;
}

/**
 * Cut a run into shards and say which way they go. Safe to repeat: a plan that is there is taken as it is, and only shards
 * without outcomes are handed out.
 *
 * @throws ClustsegError CONFIG_INVALID, RUN_NOT_FOUND, RUN_REQUEST_INVALID, MANIFEST_INVALID, SOURCE_LIST_INVALID,
 *   TASK_UNSUPPORTED, STORE_*
 */
export async function planRun(input: ExecutionInput, ports: PlanPorts): Promise<PlanOutput> {
  const { staging } = ports;
  const pipeline = pipelineNamed(ports.pipelines, input.pipeline);
  // A run that goes on has its failure budget anew. What stopped it was put away by whoever goes on with it, before this execution
  // began: a marker that is there now is somebody's newer wish.
  if ("resume" in input) await clearShardCounts(staging, input.resume);
  const request = await requestOf(input, pipeline, ports);
  const { run_id: runId } = request;
  const stores = { staging, results: ports.resultsOf(pipeline) };
  const made = await plan({ stores, request, concurrency: 64 });
  const todo = (await isStopped(staging, runId)) ? [] : await shardsToDo(staging, made);
  const mapKey = await writeShardMap(staging, runId, todo);

  const first = todo[0];
  const items = todo.reduce((sum, shard) => sum + shard.items, 0);
  const bytes = made.shards.reduce((sum, shard) => sum + shard.bytes, 0);
  const { quick } = ports;
  const isQuick = quick !== undefined && todo.length === 1 && items <= quick.maxImages && bytes <= quick.maxBytes;
  return {
    pipeline: pipeline.name,
    run_id: runId,
    route: first === undefined ? "none" : isQuick ? "quick" : "batch",
    shards: todo.length,
    items,
    map_key: mapKey,
    ...(first !== undefined && isQuick ? { shard: first.shard } : {}),
  };
}

async function requestOf(input: ExecutionInput, pipeline: Pipeline, ports: PlanPorts): Promise<RunRequest> {
  const { staging, uploads } = ports;
  if ("run_id" in input) return readRequest(staging, input.run_id);
  if ("resume" in input) return readRequest(staging, input.resume);
  const { submit } = input;
  const runId = submit.run_id;
  // This is a second attempt, and the first had come as far as a plan.
  if ((await readPlan(staging, runId)) !== undefined) return readRequest(staging, runId);
  const { task = pipeline.task, parameters = {}, formats = pipeline.formats, force = false } = submit;
  return intake({
    stores: { uploads, staging },
    source: await ports.sourceOf(submit),
    model: pipeline.model,
    task,
    // Another task has other parameters: those not given are then the model's own.
    parameters: task === pipeline.task ? { ...pipeline.parameters, ...parameters } : parameters,
    formats,
    force,
    shardItems: ports.shard.items,
    shardBytes: ports.shard.bytes,
    clock: ports.clock,
    nameRun: () => runId,
    keepEmpty: true,
  });
}
