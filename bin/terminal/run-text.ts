import { endedStates, type RunState, type RunView } from "../cloud/runs.js";
import { type ExitCode, exitCodes } from "./exit.js";
import { count, duration, plural, printable } from "./io.js";

const stateWords: Readonly<Record<RunState, string>> = {
  planning: "planning",
  segmenting: "segmenting",
  finishing: "finishing",
  stopping: "stopping",
  stopped: "stopped",
  failed: "failed",
  completed: "completed",
  cancelled: "cancelled",
  over_budget: "stopped: too many images were rejected",
};

export function stateText(state: RunState): string {
  return stateWords[state];
}

/** How a command ends that has looked at a run: an unfinished one that goes on is no failure. */
export function exitCodeOfView({ state, counts }: RunView): ExitCode {
  if (!endedStates.has(state)) return exitCodes.done;
  if (state !== "completed") return exitCodes.failed;
  return (counts?.rejected ?? 0) > 0 ? exitCodes.rejected : exitCodes.done;
}

/** "480 of 2,000 images (24%), 3 rejected, 12 skipped" */
export function countsText({ counts }: Pick<RunView, "counts">): string {
  if (counts === undefined) return "not planned yet";
  const { total, done, rejected, skipped } = counts;
  const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
  const parts = [done === total ? plural(total, "image") : `${count(done)} of ${plural(total, "image")} (${percent}%)`];
  if (rejected > 0) parts.push(`${count(rejected)} rejected`);
  if (skipped > 0) parts.push(`${count(skipped)} skipped (already there)`);
  return parts.join(", ");
}

/** A run in a few lines: what it is, how far it has come, why it failed, what can be done. */
export function runLines(view: RunView, now: number): string[] {
  const { run_id, pipeline, state, shards, packs, started_at, finished_at, retries, report, error } = view;
  const ended = endedStates.has(state);
  const took = duration((Date.parse(finished_at ?? new Date(now).toISOString()) - Date.parse(started_at)) / 1000);
  const again = retries === 0 ? "" : `, gone on with ${retries === 1 ? "once" : `${count(retries)} times`}`;
  const rows: [string, string][] = [
    ["run", run_id],
    ["pipeline", pipeline],
    ["state", `${stateText(state)}, ${ended ? `after ${took}` : `for ${took}`}${again}`],
    ["images", countsText(view)],
  ];
  if (!ended && shards !== undefined && shards.total > 0) {
    const waiting = packs === undefined || packs === 0 ? "" : `; ${plural(packs, "pack")} to be published`;
    rows.push(["shards", `${count(shards.done)} of ${count(shards.total)} done${waiting}`]);
  }
  if (error !== undefined && !(state === "cancelled" || state === "over_budget")) {
    rows.push(["why", error.text], ["", error.hint]);
  }
  if (report !== undefined) rows.push(["report", report]);
  rows.push(["next", nextStep(view)]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${printable(text)}`.trimEnd());
}

function nextStep({ run_id, state, counts }: RunView): string {
  if (!endedStates.has(state)) return `clustseg status ${run_id} --watch, or clustseg cancel ${run_id}`;
  if (counts?.total === 0)
    return "no image was found: is the source right, and are its images .jpg, .png, .webp, .tif, …?";
  if (state === "completed") {
    const results = `clustseg results ${run_id} --out masks`;
    return (counts?.rejected ?? 0) === 0
      ? results
      : `${results}; clustseg redrive ${run_id} tries rejected images again`;
  }
  return `clustseg logs ${run_id}; clustseg redrive ${run_id} goes on where it was`;
}
