import { type LogLine, logLine } from "../cloud/log-lines.js";
import type { Cloud } from "../cloud/open-cloud.js";
import { openCloud } from "../cloud/open-cloud.js";
import { findRun } from "../cloud/runs.js";
import type { CloudCommandOptions } from "../commands/cloud-options.js";
import { type ExitCode, exitCodes } from "../terminal/exit.js";
import { type Io, jsonLine, plural, printable } from "../terminal/io.js";
import { listenForStop } from "../terminal/stop.js";

export interface LogsOptions extends CloudCommandOptions {
  readonly errors?: true;
}

/** More would be sorted in memory for nobody: --errors, or CloudWatch itself, are the way then. */
const mostLines = 100_000;
/** Clocks differ, and intake writes before the run begins. */
const beforeMs = 5 * 60_000;

export async function showLogs(io: Io, asked: string, options: LogsOptions): Promise<ExitCode> {
  const cloud = await openCloud(options, io.cwd);
  const run = await findRun(cloud, asked);
  const stop = listenForStop({ gone: io.gone, onStop: () => {} });
  try {
    const since = new Date(run.startedAt.getTime() - beforeMs);
    const { lines, cut } = await gather(cloud, run.runId, since, options.errors ?? false, stop.signal);
    for (const line of lines) {
      if (stop.signal.aborted) break;
      io.print(options.json ? jsonLine(line) : lineText(line));
    }
    if (lines.length === 0) {
      const what = options.errors ? "no warning and no error" : "nothing";
      io.note(`${what} was logged of ${run.runId} (CloudWatch shows lines some seconds after they were written)`);
    }
    if (cut) io.note(`only the first ${plural(mostLines, "line")} of each log were read`);
    return stop.signal.aborted ? exitCodes.failed : exitCodes.done;
  } finally {
    stop.release();
  }
}

async function gather(
  cloud: Cloud,
  runId: string,
  since: Date,
  errors: boolean,
  signal: AbortSignal,
): Promise<{ readonly lines: readonly LogLine[]; readonly cut: boolean }> {
  const logs = await cloud.services.logs();
  let cut = false;
  const found = await Promise.all(
    Object.entries(cloud.stack.logGroups).map(async ([from, group]) => {
      const lines: LogLine[] = [];
      for await (const event of logs.find(group, runId, { since, signal })) {
        const line = logLine(from, event);
        if (line === undefined || (errors && line.level !== "error" && line.level !== "warn")) continue;
        lines.push(line);
        if (lines.length === mostLines) {
          cut = true;
          break;
        }
      }
      return lines;
    }),
  );
  const lines = found.flat().sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  return { lines, cut };
}

/** "11:02:03.120  segment    error  00003  the image ends … [IMAGE_TRUNCATED]  a/b.jpg" */
function lineText({ at, from, level, message, shard, item, code }: LogLine): string {
  const about = [shard === undefined ? "" : `shard ${shard}`, item ?? ""].filter((one) => one !== "");
  const where = about.length === 0 ? "" : `  (${about.join(", ")})`;
  const what = code === undefined ? message : `${message} [${code}]`;
  return printable(`${at.slice(0, 23).replace("T", " ")}  ${from.padEnd(9)} ${level.padEnd(5)} ${what}${where}`);
}
