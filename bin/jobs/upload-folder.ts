import { stat } from "node:fs/promises";
import path from "node:path";
import PQueue from "p-queue";
import { isImageKey, isResultKey } from "../../layers/pipeline/keys.js";
import type { ObjectInfo } from "../../layers/pipeline/ports.js";
import { asClustsegError, ClustsegError } from "../../layers/segments/errors.js";
import type { FolderProblem } from "../../layers/storage/folder-list.js";
import { FolderStore } from "../../layers/storage/folder-store.js";
import { FileSender } from "../cloud/file-sender.js";
import { ListingCursor } from "../cloud/listing-cursor.js";
import { openCloud } from "../cloud/open-cloud.js";
import type { CloudCommandOptions } from "../commands/cloud-options.js";
import { type ExitCode, exitCodes } from "../terminal/exit.js";
import { byteSize, count, duration, type Io, jsonLine, plural, printable } from "../terminal/io.js";
import { noProgress, openProgress } from "../terminal/progress.js";
import { listenForStop } from "../terminal/stop.js";
import { noteProblems } from "../terminal/summary.js";

export interface UploadOptions extends CloudCommandOptions {
  readonly prefix: string;
  readonly concurrency: number;
  readonly force?: true;
}

const mostTold = 10;

/** Send the images of a folder to the uploads bucket. */
export async function uploadFolder(io: Io, folder: string, options: UploadOptions): Promise<ExitCode> {
  const root = path.resolve(io.cwd, folder);
  const found = await stat(root).catch(() => undefined);
  if (!found?.isDirectory()) {
    throw new ClustsegError("SOURCE_NOT_FOUND", `there is no folder ${folder}`, {
      hint: "Give a folder: all images below it are sent.",
    });
  }
  const prefix = options.prefix === "" || options.prefix.endsWith("/") ? options.prefix : `${options.prefix}/`;
  const cloud = await openCloud(options, io.cwd);
  const problems: FolderProblem[] = [];
  const source = new FolderStore(root, { onProblem: (problem) => problems.push(problem) });
  const to = `${cloud.stack.uploads}${prefix}`;
  const files = await images(source);
  if (files.total === 0) {
    throw new ClustsegError("SOURCE_EMPTY", `there is no image in ${folder}`, {
      hint: "Images are recognised by their extension: .jpg, .png, .webp, .tif, .gif, .avif and the like.",
    });
  }
  const there = new ListingCursor((await cloud.services.store(to)).list(""));
  const sender = new FileSender(source, to);
  const tally = { sent: 0, same: 0, failed: 0, bytes: 0 };
  const progress = options.json ? noProgress(io) : openProgress(io);
  const stop = listenForStop({
    gone: io.gone,
    onStop: () => progress.say("stopping after the files in flight; the same command sends the rest"),
    restore: () => progress.end(),
  });
  const counts = () => {
    const done = tally.sent + tally.same + tally.failed;
    return { total: Math.max(files.total, done), done, segmented: 0, skipped: 0, rejected: tally.failed };
  };
  const fatal = new AbortController();
  const ending = AbortSignal.any([stop.signal, fatal.signal]);
  let failure: unknown;
  const began = performance.now();
  const work = async (file: ObjectInfo, present: ObjectInfo | undefined) => {
    if (ending.aborted) return;
    try {
      if (present !== undefined && !options.force && (await sender.isSame(file, present))) tally.same++;
      else {
        await sender.send(file, ending);
        tally.sent++;
        tally.bytes += file.size;
      }
    } catch (error) {
      const { fault, code, message } = asClustsegError(error);
      if (code === "RUN_CANCELLED") return;
      if (fault !== "input") {
        failure ??= error;
        return fatal.abort();
      }
      if (++tally.failed <= mostTold) progress.say(`failed: ${printable(message)} [${code}]`);
    }
    progress.show({ type: "item", counts: counts() });
  };
  try {
    progress.show({ type: "planned", counts: counts() });
    const queue = new PQueue({ concurrency: options.concurrency });
    for await (const file of imagesOf(source)) {
      if (ending.aborted) break;
      const present = await there.at(file.key);
      await queue.onSizeLessThan(options.concurrency);
      void queue.add(() => work(file, present));
    }
    await queue.onIdle();
  } finally {
    progress.end();
    stop.release();
  }
  noteProblems(io, problems);
  if (failure !== undefined) throw failure;
  const seconds = (performance.now() - began) / 1000;
  if (options.json) io.print(jsonLine({ type: "uploaded", to, ...tally, seconds, stopped: stop.signal.aborted }));
  else {
    const parts = [
      `${plural(tally.sent, "image")} sent (${byteSize(tally.bytes)})`,
      ...(tally.same > 0 ? [`${count(tally.same)} there already`] : []),
      ...(tally.failed > 0 ? [`${count(tally.failed)} failed`] : []),
    ];
    io.print(`${parts.join(", ")}, to ${printable(to)} in ${duration(seconds)}`);
    if (tally.sent > 0) io.print("next  clustseg status --watch");
    else if (tally.same > 0) io.print(`next  clustseg submit ${printable(to)} segments what is there`);
  }
  if (stop.signal.aborted) return exitCodes.failed;
  return tally.failed > 0 ? exitCodes.rejected : exitCodes.done;
}

async function* imagesOf(source: FolderStore): AsyncGenerator<ObjectInfo> {
  for await (const file of source.list("")) if (isImageKey(file.key) && !isResultKey(file.key)) yield file;
}

async function images(source: FolderStore): Promise<{ readonly total: number }> {
  let total = 0;
  for await (const _ of imagesOf(source)) total++;
  return { total };
}
