import { ClustsegError } from "../segments/errors.js";
import { readRequest } from "./intake.js";
import { runsPrefix, stagingKeys } from "./keys.js";
import { removeRun } from "./plan.js";
import type { Clock, ObjectStore, RunOwner } from "./ports.js";
import { heldLock } from "./run-lock.js";

/** How long a run that was interrupted can be gone on with. */
export const keptMs = 7 * 24 * 3600 * 1000;

export interface StaleRunsOptions {
  readonly staging: ObjectStore;
  /** The run that is about to begin, or to go on. */
  readonly except: string;
  readonly owner: RunOwner | undefined;
  readonly clock: Clock;
}

/**
 * Remove from staging what runs have left that were interrupted and never given again, because their source or their settings
 * have changed since: those that were begun more than `keptMs` ago, and those killed before they had written their request. A
 * run that somebody works on stays. Results are not touched, so all that is lost is what was segmented but not published.
 *
 * @throws ClustsegError a STORE_* code
 */
export async function removeStaleRuns(options: StaleRunsOptions): Promise<void> {
  const { staging, except } = options;
  const stale: string[] = [];
  let last = except;
  for await (const { key } of staging.list(runsPrefix)) {
    const runId = key.slice(runsPrefix.length).split("/")[0] ?? "";
    if (runId === last || runId === except) continue;
    last = runId;
    if (await isStale(options, runId)) stale.push(runId);
  }
  for (const runId of stale) await removeRun(staging, runId);
}

async function isStale({ staging, owner, clock }: StaleRunsOptions, runId: string): Promise<boolean> {
  const hasLock = (await staging.head(stagingKeys(runId).lock)) !== undefined;
  if (hasLock && (await heldLock(staging, runId, owner, clock)) !== undefined) return false;
  try {
    const { created_at } = await readRequest(staging, runId);
    return clock.now() - Date.parse(created_at) > keptMs;
  } catch (error) {
    if (!(error instanceof ClustsegError)) throw error;
    // Without a lock it may be that of somebody who uses none and is listing the source just now.
    if (error.code === "RUN_NOT_FOUND") return hasLock;
    // Another version's: it may know what to do with it.
    if (error.code === "RUN_REQUEST_INVALID") return false;
    throw error;
  }
}
