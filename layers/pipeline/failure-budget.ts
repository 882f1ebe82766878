import { ClustsegError } from "../segments/errors.js";

/** How many images may be rejected before a run stops. A run without a budget never stops for this. */
export interface FailureBudget {
  /** Stop when more than so many are rejected. */
  readonly maxRejected?: number;
  /** Stop when more than this part (0 to 1) of the images worked on is rejected … */
  readonly maxRatio?: number;
  /** … but not before so many were worked on. @default 20 */
  readonly ratioAfter?: number;
}

/** RUN_FAILURE_BUDGET when the budget is spent, else undefined. Skipped images do not count. */
export function checkBudget(
  budget: FailureBudget,
  counts: { readonly segmented: number; readonly rejected: number },
): ClustsegError | undefined {
  const { maxRejected = Number.POSITIVE_INFINITY, maxRatio = 1, ratioAfter = 20 } = budget;
  const { segmented, rejected } = counts;
  const worked = segmented + rejected;
  const spent = rejected > maxRejected || (worked >= ratioAfter && rejected > maxRatio * worked);
  if (!spent) return undefined;
  return new ClustsegError("RUN_FAILURE_BUDGET", `stopped: ${rejected} of ${worked} images were rejected`, {
    hint: "The report lists them with their reasons; mend the source, or allow more failures.",
  });
}
