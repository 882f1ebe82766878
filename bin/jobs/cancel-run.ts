import { systemClock } from "../../layers/pipeline/ports.js";
import { stopRun } from "../../layers/pipeline/stop.js";
import { asClustsegError, ClustsegError } from "../../layers/segments/errors.js";
import { type Cloud, openCloud } from "../cloud/open-cloud.js";
import { findRun } from "../cloud/runs.js";
import type { CloudCommandOptions } from "../commands/cloud-options.js";
import { type ExitCode, exitCodes } from "../terminal/exit.js";
import { type Io, jsonLine, plural } from "../terminal/io.js";

export interface CancelOptions extends CloudCommandOptions {
  readonly now?: true;
}

export async function cancelRun(io: Io, asked: string, options: CancelOptions): Promise<ExitCode> {
  const cloud = await openCloud(options, io.cwd);
  const run = await findRun(cloud, asked);
  const { runId, last } = run;
  if (last.status !== "running") {
    throw new ClustsegError("USAGE", `the run ${runId} has ended already (${last.status})`, {
      hint: `clustseg status ${runId} tells how; clustseg redrive ${runId} goes on with one that was not finished.`,
    });
  }
  // The marker first: whatever becomes of this command, the run stops.
  await stopRun(cloud.staging, runId, "cancelled", systemClock);
  const jobs = await takeBack(cloud, runId, io);
  if (options.now) await cloud.executions.stop(last.name, "stopped by `clustseg cancel --now`");
  if (options.json) {
    io.print(jsonLine({ type: "cancelled", run_id: runId, now: options.now ?? false, jobs_taken_back: jobs }));
  } else {
    const back = jobs === 0 ? "" : `; ${plural(jobs, "job")} that waited for a machine taken back`;
    io.print(options.now ? `stopped ${runId} at once${back}` : `stopping ${runId}: what is in hand is finished${back}`);
    io.print(`next  clustseg status ${runId}${options.now ? "" : " --watch"}; clustseg redrive ${runId} goes on`);
  }
  return exitCodes.done;
}

/** A job without a machine would start one only to see the marker. */
export async function takeBack(cloud: Cloud, runId: string, io: Io): Promise<number> {
  const jobs = await cloud.services.jobs(cloud.stack);
  if (jobs === undefined) return 0;
  let count = 0;
  try {
    for await (const { id, name } of jobs.waiting()) {
      if (!isJobOf(name, runId)) continue;
      await jobs.cancel(id, `the run ${runId} was cancelled`);
      count++;
    }
  } catch (error) {
    // The run stops without this as well, only later.
    io.note(`jobs that wait were left: ${asClustsegError(error).message}`);
  }
  return count;
}

/** Jobs are called after their run and shard: "<run>-00007". Another run's id may begin with this one's. */
export function isJobOf(jobName: string, runId: string): boolean {
  return jobName.startsWith(`${runId}-`) && /^\d{5,}$/.test(jobName.slice(runId.length + 1));
}
