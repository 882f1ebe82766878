import { stat } from "node:fs/promises";
import path from "node:path";
import { decodeImage } from "../../layers/model/decode.js";
import { decodeIds, encodeRgbaPng, encodeRgbPng, encodeVoc } from "../../layers/model/encode.js";
import {
  type ExportEvent,
  type ExportFormatName,
  type ExportOptions,
  type ExportReport,
  exportResults,
} from "../../layers/pipeline/export-results.js";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { below, isS3Address, openOutput, openStore, tidyOutput } from "../addresses/stores.js";
import type { CommonOptions } from "../commands/options.js";
import { type ExitCode, exitCodes } from "../terminal/exit.js";
import { count, duration, type Io, jsonLine, plural, printable, silenced } from "../terminal/io.js";
import { noProgress, openProgress, type ProgressEvent } from "../terminal/progress.js";
import { listenForStop } from "../terminal/stop.js";

export interface ExportJobOptions
  extends CommonOptions,
    Pick<ExportOptions, "task" | "model" | "maxCutouts" | "imageUrl"> {
  readonly format: ExportFormatName;
  readonly out: string;
  readonly images?: string;
  readonly json?: true;
  readonly quiet?: true;
}

/** Flat areas: a higher level makes the file much smaller in hardly more time. */
const flatLevel = 6;
const mostFailures = 10;

/** Write the results at an address as one data set, with progress and a summary; stops cleanly at a signal. */
export async function exportToDataset(io: Io, given: string, options: ExportJobOptions): Promise<ExitCode> {
  const talk = options.quiet || options.json ? silenced(io) : io;
  const stores = await openStores(given, options, io.cwd);
  const progress = options.quiet || options.json ? noProgress(talk) : openProgress(talk);
  const stop = listenForStop({
    gone: io.gone,
    onStop: () => progress.say("stopping; the files of the data set as a whole are not written"),
    restore: () => progress.end(),
  });
  const began = performance.now();
  try {
    const report = await exportResults({
      ...options,
      resultsName: given,
      stores,
      signal: stop.signal,
      codecs: {
        decodeIds,
        decodeImage,
        encodeRgb: (rgb, width, height) => encodeRgbPng(rgb, width, height, flatLevel),
        encodeRgba: encodeRgbaPng,
        encodeVoc,
      },
      onEvent: (event) => progress.show(progressEvent(event)),
    });
    progress.end();
    if (options.json) io.print(jsonLine({ type: "export", ...report }));
    else tell(talk, options, report, (performance.now() - began) / 1000);
    return report.images.failed > 0 ? exitCodes.rejected : exitCodes.done;
  } finally {
    progress.end();
    stop.release();
    tidyOutput(options.out, io.cwd);
  }
}

async function openStores(
  given: string,
  { out, images }: ExportJobOptions,
  cwd: string,
): Promise<ExportOptions["stores"]> {
  const { results: target, staging } = await openOutput(out, cwd);
  if (placeOf(given, cwd) === placeOf(out, cwd)) {
    throw new ClustsegError("USAGE", `the data set cannot go where the results are: ${out}`, {
      hint: "Give another folder with --out; one inside the results will do.",
    });
  }
  await checkIsFolder(given, cwd, "results");
  // A data set that is written into the results is no result.
  const exclude = isS3Address(out) ? [] : [path.resolve(cwd, out)];
  const results = await openStore(given, cwd, { exclude });
  return { results, out: target, staging, ...(await openImages(images, cwd)) };
}

async function openImages(images: string | undefined, cwd: string): Promise<{ readonly images?: ObjectStore }> {
  if (images === undefined) return {};
  await checkIsFolder(images, cwd, "images");
  return { images: await openStore(images, cwd) };
}

/** @throws ClustsegError RESULT_NOT_FOUND, SOURCE_NOT_FOUND */
async function checkIsFolder(address: string, cwd: string, what: "results" | "images"): Promise<void> {
  if (isS3Address(address)) return;
  const found = await stat(path.resolve(cwd, address)).catch(() => undefined);
  if (found?.isDirectory()) return;
  const code = what === "results" ? "RESULT_NOT_FOUND" : "SOURCE_NOT_FOUND";
  const hint =
    what === "results"
      ? "Give the folder that `clustseg segment --out` wrote to."
      : "Give the folder whose images were segmented.";
  throw new ClustsegError(code, found === undefined ? `there is no folder ${address}` : `${address} is no folder`, {
    hint,
  });
}

function placeOf(address: string, cwd: string): string {
  return isS3Address(address) ? address.replace(/\/+$/, "") : path.resolve(cwd, address);
}

function progressEvent(event: ExportEvent): ProgressEvent {
  if (event.type === "listing") return event;
  const { total, done, failed } = event.counts;
  return { type: event.type, counts: { total, done, segmented: done - failed, skipped: 0, rejected: failed } };
}

function tell(io: Io, { out, format }: ExportJobOptions, report: ExportReport, seconds: number): void {
  const { images, segments, failed, files, folders, task, model } = report;
  for (const { key, code, message, hint } of failed.slice(0, mostFailures)) {
    io.note(`left out ${printable(key)}: ${printable(message.replace(/\.$/, ""))} [${code}]. ${printable(hint)}`);
  }
  if (images.failed > mostFailures)
    io.note(`… and ${count(images.failed - mostFailures)} more; --json names the first 100`);
  if (images.unfinished > 0) io.note(`${plural(images.unfinished, "result")} not finished, passed over`);
  if (images.other > 0) io.note(`${plural(images.other, "result")} of other models or tasks, passed over`);
  const parts = [
    `${plural(images.exported, "image")} with ${plural(segments, "segment")} as ${format}`,
    ...(images.failed > 0 ? [`${count(images.failed)} left out`] : []),
  ];
  io.print(`${parts.join(", ")}, in ${duration(seconds)} (${task} by ${printable(`${model.name} ${model.version}`)})`);
  for (const [folder, written] of Object.entries(folders)) {
    io.print(`  ${printable(below(out, folder))}/ (${plural(written, "file")})`);
  }
  for (const file of files) io.print(`  ${printable(below(out, file))}`);
  if (files.length === 0 && images.exported > 0) io.print(`  ${printable(below(out, "<image>…"))}`);
}
