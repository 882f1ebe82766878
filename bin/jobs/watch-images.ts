import path from "node:path";
import type { ItemOutcome } from "../../layers/pipeline/contracts.js";
import type { RunResult } from "../../layers/pipeline/run.js";
import { runBatch } from "../../layers/pipeline/run-batch.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { watchFolder } from "../../layers/storage/watch-folder.js";
import { openSource } from "../addresses/source.js";
import { isS3Address, openOutput, tidyOutput } from "../addresses/stores.js";
import type { CommonOptions, WorkOptions } from "../commands/options.js";
import { type ExitCode, errorText, exitCodes } from "../terminal/exit.js";
import { count, type Io, jsonLine, plural, printable, silenced } from "../terminal/io.js";
import { listenForStop, stopText } from "../terminal/stop.js";
import { foundText, noteProblems } from "../terminal/summary.js";
import { openWork } from "./open-work.js";

export interface WatchOptions extends WorkOptions, CommonOptions {
  readonly out: string;
  /** Seconds. */
  readonly settle: number;
  readonly poll?: true;
}

/** Segment what lies in a folder and what lands in it, until a signal. Rejected images are told of, and do not end it. */
export async function watchImages(io: Io, folder: string, options: WatchOptions): Promise<ExitCode> {
  const talk = options.quiet ? silenced(io) : io;
  const stop = listenForStop({ gone: io.gone, onStop: () => talk.note(stopText) });
  try {
    const { uploads, intake, problems } = await openSource([folder], { cwd: io.cwd, out: options.out });
    if (isS3Address(folder) || intake.kind !== "prefix") {
      throw new ClustsegError("USAGE", `only a folder can be watched, not ${folder}`, {
        hint: "Segment it instead: clustseg segment takes files, lists and s3:// addresses.",
      });
    }
    const stores = { uploads, ...(await openOutput(options.out, io.cwd)) };
    const work = await openWork(options);
    try {
      const teller = new Teller(talk, work.settings.task, options.json ?? false);
      teller.watching(folder, options.out);
      const batches = watchFolder({
        folder: path.resolve(io.cwd, folder),
        uploads,
        exclude: isS3Address(options.out) ? [] : [path.resolve(io.cwd, options.out)],
        settleMs: options.settle * 1000,
        poll: options.poll ?? false,
        signal: stop.signal,
      });
      for await (const events of batches) {
        const result = await runBatch({
          ...work.settings,
          stores,
          events,
          signal: stop.signal,
          onEvent: (event) => event.type === "item" && teller.item(event.outcome),
          onRetry: (error, waitMs) => teller.retry(error, waitMs / 1000),
        });
        if (result !== undefined) teller.report(result);
      }
      noteProblems(talk, problems);
      return teller.end();
    } finally {
      await work.close();
    }
  } finally {
    stop.release();
    tidyOutput(options.out, io.cwd);
  }
}

function noted(notes: readonly string[]): string {
  return notes.length === 0 ? "" : `  (${printable(notes.join("; "))})`;
}

/** What `watch` says, for people or as JSON lines. */
class Teller {
  #segmented = 0;
  #rejected = 0;
  readonly #io: Io;
  readonly #task: string;
  readonly #json: boolean;

  constructor(io: Io, task: string, json: boolean) {
    this.#io = io;
    this.#task = task;
    this.#json = json;
  }

  watching(folder: string, out: string): void {
    if (this.#json) this.#io.print(jsonLine({ type: "watching", folder, out }));
    else this.#io.note(`watching ${printable(folder)}, results go to ${printable(out)}; Ctrl-C ends it`);
  }

  item(outcome: ItemOutcome): void {
    if (outcome.status === "rejected") this.#rejected++;
    if (outcome.status === "segmented") this.#segmented++;
    if (this.#json) this.#io.print(jsonLine({ type: "item", ...outcome }));
    else if (outcome.status === "segmented") {
      const { key, frame, ms, notes = [] } = outcome;
      const spent = Math.round(ms.decode + ms.infer + ms.encode);
      this.#io.print(
        `${printable(key)}  ${frame.width} x ${frame.height}  ${foundText(outcome, this.#task)}  ${spent} ms${noted(notes)}`,
      );
    } else if (outcome.status === "rejected") {
      const { code, message } = outcome.error;
      this.#io.note(`rejected ${printable(outcome.key)}: ${printable(message.replace(/\.$/, ""))} [${code}]`);
    }
  }

  report({ report }: RunResult): void {
    if (this.#json) this.#io.print(jsonLine({ type: "report", ...report }));
    else if (report.items.skipped > 0) this.#io.note(`${plural(report.items.skipped, "image")} already done`);
  }

  retry(error: ClustsegError, seconds: number): void {
    this.#io.note(`${errorText(error, false)}\n  Trying again in ${seconds} s.`);
  }

  end(): ExitCode {
    if (!this.#json) {
      const rejected = this.#rejected > 0 ? `, ${count(this.#rejected)} rejected` : "";
      this.#io.note(`${plural(this.#segmented, "image")} segmented${rejected}; the same command goes on from here`);
    }
    return this.#rejected > 0 ? exitCodes.rejected : exitCodes.done;
  }
}
