import { type ExecutionInput, retryName, type Submit, submitRunId } from "../../layers/pipeline/cloud-contracts.js";
import { stagingKeys } from "../../layers/pipeline/keys.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { type Cloud, needed, openCloud } from "../cloud/open-cloud.js";
import { runOutcomes } from "../cloud/run-outcomes.js";
import { hasStaging } from "../cloud/run-progress.js";
import { type FoundRun, findRun, readReport, viewRun } from "../cloud/runs.js";
import { stageKeys } from "../cloud/submission.js";
import type { CloudCommandOptions } from "../commands/cloud-options.js";
import { type ExitCode, exitCodes } from "../terminal/exit.js";
import { count, type Io, jsonLine, plural } from "../terminal/io.js";
import { listenForStop } from "../terminal/stop.js";
import { startRun } from "./submit-run.js";

export interface RedriveOptions extends CloudCommandOptions {
  readonly all?: true;
  readonly messages?: true;
}

export async function redrive(io: Io, asked: string | undefined, options: RedriveOptions): Promise<ExitCode> {
  if ((asked === undefined) !== (options.messages ?? false)) {
    throw new ClustsegError("USAGE", asked === undefined ? "no run was given" : "a run and --messages were given", {
      hint: "Give a run's id (`clustseg status` lists them), or --messages for the dead-letter queue.",
    });
  }
  const cloud = await openCloud(options, io.cwd);
  if (asked === undefined) return redriveMessages(io, cloud, options);
  const run = await findRun(cloud, asked);
  const view = await viewRun(cloud, run);
  switch (view.state) {
    case "planning":
    case "segmenting":
    case "finishing":
    case "stopping":
      throw new ClustsegError("RUN_CONFLICT", `the run ${run.runId} is still at work`, {
        hint: `clustseg status ${run.runId} --watch waits for its end; clustseg cancel ${run.runId} stops it.`,
      });
    case "completed":
      return redriveRejects(io, cloud, run, options);
    default:
      return resume(io, cloud, run, options);
  }
}

/** The same run goes on: what has an outcome keeps it. */
async function resume(io: Io, cloud: Cloud, run: FoundRun, options: RedriveOptions): Promise<ExitCode> {
  const { runId, pipeline, retries } = run;
  const name = retryName(runId, retries + 1);
  const planned = await cloud.staging.head(stagingKeys(runId).request);
  if (planned === undefined && !(await canBegin(cloud, run))) {
    throw new ClustsegError("RUN_NOT_FOUND", `nothing is left of the run ${runId} that could be gone on with`, {
      hint: "Staging keeps a run for 14 days. Submit its source again: what has a result is skipped.",
    });
  }
  // A run that failed before it was planned begins anew, under its own id.
  const input: ExecutionInput = planned === undefined ? run.input : { pipeline, resume: runId };
  await cloud.staging.delete(stagingKeys(runId).stop);
  await startRun(cloud.executions, name, input);
  if (options.json) io.print(jsonLine({ type: "resumed", run_id: runId, execution: name, pipeline }));
  else {
    io.print(`going on with ${runId}: what has an outcome is left alone`);
    io.print(`next  clustseg status ${runId} --watch`);
  }
  return exitCodes.done;
}

async function canBegin(cloud: Cloud, { input, runId }: FoundRun): Promise<boolean> {
  if (!("submit" in input)) return false;
  // A list that was sent along lies with the run.
  return input.submit.list?.startsWith(stagingKeys(runId).root) ? hasStaging(cloud.staging, runId) : true;
}

/** A new run of the images that were rejected for what may have passed. */
async function redriveRejects(io: Io, cloud: Cloud, run: FoundRun, options: RedriveOptions): Promise<ExitCode> {
  const results = await cloud.results(run.pipeline);
  const report = await readReport(results, run.runId);
  if (report === undefined) {
    throw new ClustsegError("RUN_NOT_FOUND", `the run ${run.runId} has no report`, {
      hint: "It was deleted. Submit the run's source again: what has a result is skipped.",
    });
  }
  const tally = { rejected: 0, taken: 0 };
  const keys = async function* () {
    for await (const outcome of runOutcomes(results, cloud.staging, run.runId)) {
      if (outcome.status !== "rejected") continue;
      tally.rejected++;
      if (!options.all && !outcome.error.retryable) continue;
      // A list has a key a line, so it cannot name these.
      if (/[\r\n]/.test(outcome.key)) continue;
      tally.taken++;
      yield outcome.key;
    }
  };
  const runId = submitRunId(Date.now(), Math.random());
  const source = await stageKeys(cloud.staging, runId, keys());
  if (tally.taken === 0) {
    await cloud.staging.delete(source.list!);
    return nothingToDo(io, run.runId, tally.rejected, options);
  }
  const submit: Submit = {
    ...source,
    run_id: runId,
    task: report.task,
    parameters: report.parameters,
    formats: [...report.formats],
  };
  await startRun(cloud.executions, runId, { pipeline: run.pipeline, submit });
  const left = tally.rejected - tally.taken;
  if (options.json) {
    const images = { images: tally.taken, left };
    io.print(jsonLine({ type: "submitted", run_id: runId, of: run.runId, pipeline: run.pipeline, ...images }));
  } else {
    io.print(`run   ${runId}: ${plural(tally.taken, "rejected image")} of ${run.runId} again`);
    if (left > 0) io.print(`      ${count(left)} would be rejected again for what they are; --all takes them, too`);
    io.print(`next  clustseg status ${runId} --watch`);
  }
  return exitCodes.done;
}

function nothingToDo(io: Io, runId: string, rejected: number, { json }: RedriveOptions): ExitCode {
  if (json) io.print(jsonLine({ type: "nothing", of: runId, images: 0, left: rejected }));
  else if (rejected === 0) io.print(`no image of ${runId} was rejected: there is nothing to do`);
  else {
    io.print(`${plural(rejected, "image")} of ${runId} ${rejected === 1 ? "was" : "were"} rejected for what it is`);
    io.print(`next  clustseg logs ${runId} --errors; --all tries them all the same`);
  }
  return rejected === 0 ? exitCodes.done : exitCodes.rejected;
}

async function redriveMessages(io: Io, cloud: Cloud, { json }: RedriveOptions): Promise<ExitCode> {
  const { stack, services } = cloud;
  const from = needed(stack.deadLetters, "DeadLetterQueueUrl", stack);
  const to = needed(stack.intakeQueue, "IntakeQueueUrl", stack);
  const queues = await services.queues();
  const stop = listenForStop({
    gone: io.gone,
    onStop: () => io.note("stopping after the message in hand"),
  });
  let moved = 0;
  try {
    await queues.move(from, to, { signal: stop.signal, onMoved: () => moved++ });
  } finally {
    stop.release();
  }
  const { waiting } = await queues.depth(from);
  if (json) io.print(jsonLine({ type: "messages", moved, left: waiting }));
  else if (moved === 0) io.print("the dead-letter queue is empty: there is nothing to do");
  else {
    io.print(`${plural(moved, "message")} back to intake${waiting > 0 ? `, ${count(waiting)} left` : ""}`);
    io.print("next  clustseg status; what fails again comes back to the dead-letter queue");
  }
  return stop.signal.aborted ? exitCodes.failed : exitCodes.done;
}
