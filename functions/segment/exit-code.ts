import { segmentExit } from "../../layers/pipeline/cloud-contracts.js";
import { asClustsegError } from "../../layers/segments/errors.js";

/**
 * How the worker ends. `complete`, `stopped` and `retry` are what the state machine and Batch's retry rules go by; the others
 * are fatal, and tell a person who looks at the job what kind of trouble it was. All but `stopped` are those of sysexits.h.
 */
export const exitCodes = {
  ...segmentExit,
  /** EX_USAGE: wrong arguments. */
  usage: 64,
  /** EX_UNAVAILABLE: CUDA was asked for, and there is none. Never a silent run on the CPU. */
  noGpu: 69,
  /** EX_SOFTWARE */
  failed: 70,
  /** EX_CONFIG: settings, permissions, the model: starting it again changes nothing. */
  config: 78,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The exit code of what `segmentJob`, or the reading of its settings, has thrown. */
export function exitCodeOf(error: unknown): ExitCode {
  const { code, fault, retryable } = asClustsegError(error);
  if (code === "USAGE") return exitCodes.usage;
  if (code === "MODEL_PROVIDER_UNAVAILABLE") return exitCodes.noGpu;
  if (code === "RUN_FAILURE_BUDGET") return exitCodes.stopped;
  if (retryable) return exitCodes.retry;
  return fault === "user" ? exitCodes.config : exitCodes.failed;
}
