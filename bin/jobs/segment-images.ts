import { type RunOptions, type RunResult, runPipeline } from "../../layers/pipeline/run.js";
import type { RunEvent } from "../../layers/pipeline/run-events.js";
import type { FolderProblem } from "../../layers/storage/folder-list.js";
import type { Source } from "../addresses/source.js";
import { openOutput, tidyOutput } from "../addresses/stores.js";
import type { CommonOptions, WorkOptions } from "../commands/options.js";
import type { ExitCode } from "../terminal/exit.js";
import { exitCodeOf, reportError } from "../terminal/exit.js";
import { type Io, jsonLine, silenced } from "../terminal/io.js";
import { noProgress, openProgress } from "../terminal/progress.js";
import { listenForStop, stopText } from "../terminal/stop.js";
import { exitCodeOfRun, FirstImages, Notes, noteProblems, noteRejects, summaryLine } from "../terminal/summary.js";
import { openWork } from "./open-work.js";

export interface SegmentImagesOptions extends WorkOptions, CommonOptions, Pick<RunOptions, "failureBudget"> {
  readonly out: string;
  readonly force?: true;
}

/**
 * Segment the images of a source into an output, with progress, a table and a summary; stops cleanly at a signal.
 * @param where lines for the end of the summary: where the results are
 */
export async function segmentImages(
  io: Io,
  source: Source,
  options: SegmentImagesOptions,
  where: (result: RunResult) => readonly string[],
): Promise<ExitCode> {
  const talk = options.quiet ? silenced(io) : io;
  const progress = options.quiet || options.json ? noProgress(talk) : openProgress(talk);
  const stop = listenForStop({
    gone: io.gone,
    onStop: () => progress.say(stopText),
    restore: () => progress.end(),
  });
  const images = new FirstImages();
  const notes = new Notes();
  const onEvent = (event: RunEvent) => {
    progress.show(event);
    if (event.type !== "item") return;
    images.add(event.outcome);
    notes.add(event.outcome);
    if (options.json) io.print(jsonLine({ type: "item", ...event.outcome }));
  };
  try {
    const stores = { uploads: source.uploads, ...(await openOutput(options.out, io.cwd)) };
    const work = await openWork(options);
    const { force = false, failureBudget } = options;
    const result = await runPipeline({
      ...work.settings,
      stores,
      source: source.intake,
      ...(source.given === undefined ? {} : { sourceName: source.given }),
      force,
      signal: stop.signal,
      onEvent,
      ...(failureBudget === undefined ? {} : { failureBudget }),
    }).finally(() => work.close());
    progress.end();
    return tell(talk, options, result, source.problems, {
      table: images.table(result.report.task),
      notes,
      where: where(result),
    });
  } catch (error) {
    progress.end();
    // The links and folders that were passed over may be why nothing was found.
    noteProblems(talk, source.problems);
    throw error;
  } finally {
    stop.release();
    tidyOutput(options.out, io.cwd);
  }
}

function tell(
  io: Io,
  options: SegmentImagesOptions,
  { report, error }: RunResult,
  problems: readonly FolderProblem[],
  people: { readonly table: string | undefined; readonly notes: Notes; readonly where: readonly string[] },
): ExitCode {
  const warnings = problems.map(({ path, error }) => ({ path, ...error.toJSON() }));
  if (options.json) {
    io.print(jsonLine({ type: "report", ...report, warnings }));
  } else {
    noteProblems(io, problems);
    noteRejects(io, report);
    people.notes.tell(io);
    if (people.table !== undefined) io.print(`${people.table}\n`);
    io.print(summaryLine(report));
    for (const line of people.where) io.print(line);
  }
  if (error === undefined) return exitCodeOfRun(report, problems);
  reportError(io, error, { json: options.json ?? false, debug: options.debug ?? false });
  return exitCodeOf(error);
}
