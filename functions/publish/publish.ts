import {
  type Pipeline,
  type PublishOutput,
  pipelineNamed,
  type ShardInput,
} from "../../layers/pipeline/cloud-contracts.js";
import type { ItemOutcome } from "../../layers/pipeline/contracts.js";
import { checkBudget, type FailureBudget } from "../../layers/pipeline/failure-budget.js";
import { readRequest } from "../../layers/pipeline/intake.js";
import type { Clock, RunStores } from "../../layers/pipeline/ports.js";
import { publishShard, type RefusedPack } from "../../layers/pipeline/publish-shard.js";
import { countShard, sumShardCounts, writeShardCounts } from "../../layers/pipeline/shard-counts.js";
import { isStopped, stopRun } from "../../layers/pipeline/stop.js";
import type { FileCheck } from "../../layers/pipeline/validate-item.js";

export interface PublishPorts {
  readonly staging: RunStores["staging"];
  readonly resultsOf: (pipeline: Pipeline) => RunStores["results"];
  readonly pipelines: readonly Pipeline[];
  readonly failureBudget: FailureBudget;
  /** Looks into the files of a result: the process that made them has decoded hostile bytes. */
  readonly checkFiles: FileCheck;
  readonly clock: Clock;
  /** Of a result that another run is writing; most are done with it in less. @default 0.2, 0.6 and 2 s */
  readonly busyWaitMs?: readonly number[];
  readonly onOutcome?: (outcome: ItemOutcome) => void;
  readonly onRefused?: (pack: RefusedPack) => void;
}

/**
 * Publish a shard's packs. A pack that is damaged or holds what may not be published is dropped, so that its images count as
 * missing and are segmented again.
 *
 * @throws ClustsegError CONFIG_INVALID, RUN_NOT_FOUND, RESULT_BUSY, STORE_*
 */
export async function publishRunShard(input: ShardInput, ports: PublishPorts): Promise<PublishOutput> {
  const { run_id: runId, shard } = input;
  const { staging, failureBudget, clock } = ports;
  const pipeline = pipelineNamed(ports.pipelines, input.pipeline);
  const request = await readRequest(staging, runId);
  const published = await publishShard({
    stores: { staging, results: ports.resultsOf(pipeline) },
    request,
    shard,
    concurrency: 8,
    shared: true,
    checkFiles: ports.checkFiles,
    busyWaitMs: ports.busyWaitMs ?? [200, 600, 2000],
    clock,
    onRefused: (pack) => ports.onRefused?.(pack),
    ...(ports.onOutcome === undefined ? {} : { onOutcome: ports.onOutcome }),
  });
  const { outcomes, missing } = published;
  if (missing === 0) {
    const counts = await countShard(staging, runId, shard);
    await writeShardCounts(staging, runId, shard, counts);
    // Only a rejection can spend the budget.
    if (counts.rejected > 0 && checkBudget(failureBudget, await sumShardCounts(staging, runId)) !== undefined) {
      await stopRun(staging, runId, "over_budget", clock);
    }
  }
  // Of a run that was stopped, nothing is segmented again.
  const stopped = missing > 0 && (await isStopped(staging, runId));
  return { shard, outcomes, missing: stopped ? 0 : missing };
}
