import { type ExecutionInput, submitRunId } from "../../layers/pipeline/cloud-contracts.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { openCloud } from "../cloud/open-cloud.js";
import { choosePipeline, resultsOf } from "../cloud/stack.js";
import { checkParameters, nameSource, stageKeys } from "../cloud/submission.js";
import type { CloudCommandOptions } from "../commands/cloud-options.js";
import { extraFormats, type TaskOptions, type WorkOptions } from "../commands/options.js";
import { type ExitCode, exitCodes } from "../terminal/exit.js";
import { type Io, jsonLine, printable } from "../terminal/io.js";
import { watchRun } from "./show-status.js";
import { givenParameters } from "./task-parameters.js";

export interface SubmitOptions
  extends CloudCommandOptions,
    TaskOptions,
    Pick<WorkOptions, "task" | "model" | "formats" | "overlay"> {
  readonly pipeline?: string;
  readonly force?: true;
  readonly wait?: true;
}

/** Start a run of what lies in the uploads bucket. */
export async function submitRun(io: Io, given: string, options: SubmitOptions): Promise<ExitCode> {
  const cloud = await openCloud(options, io.cwd);
  const { pipeline, task } = choosePipeline(cloud.stack.pipelines, options);
  const parameters = checkParameters(givenParameters(options), pipeline, task);
  // "--formats segments" is a wish as well: for none of the pipeline's.
  const formats = options.formats.length > 0 || options.overlay ? extraFormats(options) : undefined;
  if (formats !== undefined && formats.length > 0) {
    const { asFormats } = await import("../../layers/model/result-files.js");
    asFormats(formats);
  }
  const named = await nameSource(given, cloud.uploads, io.cwd);
  const runId = submitRunId(Date.now(), Math.random());
  const source = named.kind === "remote" ? named.source : await stageKeys(cloud.staging, runId, named.keys);
  const input: ExecutionInput = {
    pipeline: pipeline.name,
    submit: {
      ...source,
      run_id: runId,
      ...(options.force ? { force: true } : {}),
      ...(formats === undefined ? {} : { formats }),
      ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
      ...(task === undefined ? {} : { task }),
    },
  };
  await startRun(cloud.executions, runId, input);
  const results = resultsOf(cloud.stack, pipeline.name);
  if (options.json) {
    const submitted = { stack: cloud.stack.name, run_id: runId, pipeline: pipeline.name, source: given, results };
    io.print(jsonLine({ type: "submitted", ...submitted }));
  } else {
    io.print(`run       ${runId}`);
    io.print(`pipeline  ${printable(pipeline.name)}: ${printable(pipeline.model.name)}, ${task ?? pipeline.task}`);
    io.print(`results   ${printable(results)}`);
    if (!options.wait) io.print(`next      clustseg status ${runId} --watch`);
  }
  return options.wait ? watchRun(io, cloud, runId, { ...options, every: 3 }) : exitCodes.done;
}

/** @throws ClustsegError RUN_CONFLICT when there is an execution of that name */
export async function startRun(
  executions: { start(name: string, input: unknown): Promise<"started" | "exists"> },
  name: string,
  input: ExecutionInput,
): Promise<void> {
  if ((await executions.start(name, input)) === "started") return;
  throw new ClustsegError("RUN_CONFLICT", `there is an execution ${name} already`, {
    hint: `Somebody else has just started it: clustseg status ${name}.`,
  });
}
