import cliProgress from "cli-progress";
import type { RunCounts } from "../../layers/pipeline/run-events.js";
import { count, duration, type Io, plural } from "./io.js";

/** What progress is made of: a RunEvent, or what another job tells in its manner. */
export type ProgressEvent =
  | { readonly type: "listing"; readonly items: number }
  | { readonly type: "planning"; readonly items: number; readonly total: number }
  | { readonly type: "planned" | "item"; readonly counts: RunCounts }
  | { readonly type: "published" | "shard" | "finished" };

/** Shows a run's events while it works. */
export interface Progress {
  show(event: ProgressEvent): void;
  /** A line between, on stderr. */
  say(line: string): void;
  /** Leave the terminal as it was. May be called again. */
  end(): void;
}

/** A bar on a terminal, else a line now and then. */
export function openProgress(io: Io): Progress {
  return io.stderr.isTTY === true ? barProgress(io) : lineProgress(io);
}

/** For --quiet and --json. */
export function noProgress(io: Io): Progress {
  return { show: () => {}, say: io.note, end: () => {} };
}

/** Rate and time left, from the images done since the start; what an earlier run has done tells nothing of this one's speed. */
export class Pace {
  readonly #start: number;
  readonly #doneAtStart: number;

  constructor(doneAtStart: number, now: number) {
    this.#doneAtStart = doneAtStart;
    this.#start = now;
  }

  /** "12.3 a second, 2 min 4 s left"; empty as long as nothing can be said. */
  text({ done, total }: Pick<RunCounts, "done" | "total">, now: number): string {
    const seconds = (now - this.#start) / 1000;
    const worked = done - this.#doneAtStart;
    if (worked <= 0 || seconds <= 0) return "";
    const rate = worked / seconds;
    return `${rate < 100 ? rate.toFixed(1) : count(Math.round(rate))} a second, ${duration((total - done) / rate)} left`;
  }
}

/** "480 of 2,000 images (24%), 12.3 a second, 2 min 4 s left, 3 rejected" */
export function progressText(counts: RunCounts, pace: string): string {
  const { total, done, rejected } = counts;
  const percent = Math.floor((100 * done) / total);
  const parts = [`${count(done)} of ${plural(total, "image")} (${percent}%)`];
  if (pace !== "") parts.push(pace);
  if (rejected > 0) parts.push(`${count(rejected)} rejected`);
  return parts.join(", ");
}

function barProgress(io: Io): Progress {
  const bar = new cliProgress.SingleBar(
    {
      stream: io.stderr,
      format: "{bar} {text}",
      barCompleteChar: "█",
      barIncompleteChar: "░",
      barsize: 24,
      hideCursor: true,
      clearOnComplete: true,
      gracefulExit: false,
    },
    cliProgress.Presets.shades_classic,
  );
  let pace: Pace | undefined;
  const status = (text: string) => io.stderr.write(`\r\x1b[K${text}`);
  // The bar hides the cursor and turns line wrap off; neither may outlive the process, however that ends.
  const end = () => {
    process.off("exit", end);
    bar.stop();
  };
  process.on("exit", end);
  return {
    show(event) {
      if (event.type === "listing") status(`looking for images: ${count(event.items)} found`);
      else if (event.type === "planning")
        status(`looking what is done: ${count(event.items)} of ${count(event.total)} images`);
      else if (event.type === "planned") {
        status("");
        const { total, done } = event.counts;
        if (done === total) return;
        pace = new Pace(done, Date.now());
        bar.start(total, done, { text: progressText(event.counts, "") });
      } else if (event.type === "item" && pace !== undefined) {
        const { counts } = event;
        bar.update(counts.done, { text: progressText(counts, pace.text(counts, Date.now())) });
      }
    },
    // The bar is drawn again below, at the next image.
    say: (line) => status(`${line}\n`),
    end,
  };
}

const lineEveryMs = 5000;

function lineProgress(io: Io): Progress {
  let text = "";
  let said = "";
  const timer = setInterval(() => {
    if (text !== said) io.note(text);
    said = text;
  }, lineEveryMs);
  timer.unref();
  let pace: Pace | undefined;
  return {
    show(event) {
      if (event.type === "listing") text = `looking for images: ${count(event.items)} found`;
      else if (event.type === "planning")
        text = `looking what is done: ${count(event.items)} of ${count(event.total)} images`;
      else if (event.type === "planned") {
        text = "";
        const { total, done } = event.counts;
        pace = new Pace(done, Date.now());
        const already = done === 0 ? "" : `, ${count(done)} already done`;
        io.note(`${plural(total, "image")}${already}`);
      } else if (event.type === "item" && pace !== undefined) {
        text = progressText(event.counts, pace.text(event.counts, Date.now()));
      }
    },
    say: io.note,
    end: () => clearInterval(timer),
  };
}
