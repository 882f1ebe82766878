import {
  type Pipeline,
  pipelineNamed,
  type QuickOutput,
  type ShardInput,
} from "../../layers/pipeline/cloud-contracts.js";
import type { ItemOutcome } from "../../layers/pipeline/contracts.js";
import type { FailureBudget } from "../../layers/pipeline/failure-budget.js";
import { readRequest } from "../../layers/pipeline/intake.js";
import type { RunStores, Segmenter } from "../../layers/pipeline/ports.js";
import { segmentShard } from "../../layers/pipeline/segment-shard.js";
import { assertSameModel } from "../same-model.js";

export interface QuickPorts {
  readonly stores: Pick<RunStores, "uploads" | "staging">;
  readonly pipelines: readonly Pipeline[];
  readonly segmenterOf: (pipeline: Pipeline) => Promise<Segmenter>;
  readonly failureBudget: FailureBudget;
  /** Aborted some time before the function is ended. */
  readonly signal: AbortSignal;
  readonly onOutcome?: (outcome: ItemOutcome) => void;
}

/**
 * Segment a small shard here, without waiting for a machine to start: the same code as the container's.
 * @returns complete when nothing is left to be done here, also when the run was stopped
 * @throws ClustsegError CONFIG_INVALID, RUN_NOT_FOUND, RUN_MODEL_CHANGED, MODEL_*, STORE_*
 */
export async function quickShard(input: ShardInput, ports: QuickPorts): Promise<QuickOutput> {
  const { stores } = ports;
  const pipeline = pipelineNamed(ports.pipelines, input.pipeline);
  const request = await readRequest(stores.staging, input.run_id);
  const segmenter = await ports.segmenterOf(pipeline);
  assertSameModel(request.model, segmenter.model);
  const { items, done, complete, stopped } = await segmentShard({
    stores,
    request,
    shard: input.shard,
    segmenter,
    signal: ports.signal,
    watchStop: true,
    crashGuard: true,
    sharedBudget: ports.failureBudget,
    ...(ports.onOutcome === undefined ? {} : { onOutcome: ports.onOutcome }),
  });
  return { complete: complete || stopped !== undefined, remaining: items - done };
}
