import { asClustsegError, type ClustsegError } from "../segments/errors.js";
import type { UploadEvent } from "./contracts.js";
import { removeRun } from "./plan.js";
import { type RunOptions, type RunResult, runPipeline } from "./run.js";

export interface BatchOptions extends Omit<RunOptions, "source"> {
  readonly events: readonly UploadEvent[];
  /** Waits before the second try, the third, and so on. @default 5 s, 15 s, 60 s */
  readonly retryMs?: readonly number[];
  readonly onRetry?: (error: ClustsegError, waitMs: number) => void;
}

/**
 * One batch of upload events as a run. What may pass (a full disk, a store that does not answer) is waited for and tried
 * again, as the state machine does in the cloud.
 *
 * A batch that `signal` stopped leaves nothing in staging: the same events never come together again, so nobody would go on
 * with it; what is not done is found by the next listing.
 *
 * @returns undefined when `signal` stopped it before its first image
 * @throws ClustsegError as runPipeline, when trying again does not help
 */
export async function runBatch(options: BatchOptions): Promise<RunResult | undefined> {
  const { events, retryMs = [5_000, 15_000, 60_000], onRetry, ...run } = options;
  for (let attempt = 0; !options.signal?.aborted; attempt++) {
    try {
      const result = await runPipeline({ ...run, source: { kind: "events", events } });
      if (result.status === "cancelled") await removeRun(run.stores.staging, result.report.run_id);
      return result;
    } catch (thrown) {
      const error = asClustsegError(thrown);
      if (error.code === "RUN_CANCELLED") break;
      const wait = retryMs[attempt];
      if (!error.retryable || wait === undefined) throw error;
      onRetry?.(error, wait);
      await pause(wait, options.signal);
    }
  }
  return undefined;
}

/** Wait, but not beyond an abort. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) return;
  await new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
  });
}
