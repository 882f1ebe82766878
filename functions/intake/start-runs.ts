import type { Pipeline } from "../../layers/pipeline/cloud-contracts.js";
import type { UploadEvent } from "../../layers/pipeline/contracts.js";
import { intake } from "../../layers/pipeline/intake.js";
import { compareKeys } from "../../layers/pipeline/keys.js";
import type { Clock, RunStores } from "../../layers/pipeline/ports.js";
import { sha256Hex } from "../../layers/pipeline/result-id.js";
import { versionRounds } from "../../layers/pipeline/upload-events.js";
import { compareSequencers } from "../../layers/pipeline/uploads-order.js";

export interface StartPorts {
  readonly stores: Pick<RunStores, "uploads" | "staging">;
  readonly pipelines: readonly Pipeline[];
  readonly shard: { readonly items: number; readonly bytes: number };
  readonly clock: Clock;
  /** Start an execution; "exists" when there is, or has been, one of this name. */
  readonly start: (
    name: string,
    input: { readonly pipeline: string; readonly run_id: string },
  ) => Promise<"started" | "exists">;
}

export interface StartedRun {
  readonly pipeline: string;
  readonly run: string;
  readonly images: number;
  readonly started: "started" | "exists";
}

/**
 * Make runs of a batch of uploads, one a pipeline, and start them. The same events, in whatever order and however often, give
 * the same runs: what S3 and SQS deliver twice at once starts nothing twice. (Delivered again among other events, an upload
 * comes into another run, whose plan finds that it is done.)
 *
 * @throws ClustsegError EVENT_INVALID, STORE_*, and what `start` throws; repeat it with the same events
 */
export async function startRuns(events: readonly UploadEvent[], ports: StartPorts): Promise<StartedRun[]> {
  const runs: StartedRun[] = [];
  for (const round of versionRounds(inOrder(events))) {
    const suffix = sha256Hex(JSON.stringify([...new Set(round.map(identityOf))].sort())).slice(0, 8);
    for (const pipeline of ports.pipelines) {
      const request = await intake({
        stores: ports.stores,
        source: { kind: "events", events: round },
        model: pipeline.model,
        task: pipeline.task,
        parameters: pipeline.parameters,
        formats: pipeline.formats,
        shardItems: ports.shard.items,
        shardBytes: ports.shard.bytes,
        clock: ports.clock,
        // Two pipelines may share a recipe's id only if they are the same; the name keeps their stagings apart in any case.
        nameRun: (id) => `${id}-${suffix}`,
      });
      const { run_id: run } = request;
      // Nothing of it is an image.
      if (request.manifest.items === 0) continue;
      const started = await ports.start(run, { pipeline: pipeline.name, run_id: run });
      runs.push({ pipeline: pipeline.name, run, images: request.manifest.items, started });
    }
  }
  return runs;
}

/** Tells an upload from all others: S3 gives every write of a key its own sequencer. */
function identityOf({ key, etag, versionId = "", sequencer = "" }: UploadEvent): string {
  return JSON.stringify([key, etag, versionId, sequencer]);
}

function inOrder(events: readonly UploadEvent[]): UploadEvent[] {
  return [...events].sort(
    (a, b) =>
      compareKeys(a.key, b.key) ||
      -compareSequencers(a.sequencer, b.sequencer) ||
      compareKeys(identityOf(a), identityOf(b)),
  );
}
