import { stat } from "node:fs/promises";
import path from "node:path";
import { watch as watchFiles } from "chokidar";
import type { UploadEvent } from "../layers/pipeline/contracts.js";
import { isImageKey, isResultKey } from "../layers/pipeline/keys.js";
import type { ObjectStore } from "../layers/pipeline/ports.js";
import { ClustsegError } from "../layers/segments/errors.js";
import { isBelow } from "./source-argument.js";
import { WholeFiles } from "./whole-files.js";

export interface WatchedFolderOptions {
  readonly folder: string;
  /** The same folder as a store, which gives the files their keys and etags. */
  readonly uploads: ObjectStore;
  /** Folders that are not looked into: the results. */
  readonly exclude: readonly string[];
  readonly settleMs: number;
  /** Look at the files now and then, where the system does not tell of changes (network drives). */
  readonly poll: boolean;
  readonly signal: AbortSignal;
}

/** Larger batches would let what has just landed wait for long. */
const batchItems = 512;

/**
 * Batches of upload events: first of what lies in the folder, then of what appears or changes, each file when it is whole.
 * Ends when `signal` aborts.
 *
 * @throws ClustsegError STORE_READ_FAILED when the folder goes, or the system cannot watch it
 */
export async function* watchFolder(options: WatchedFolderOptions): AsyncGenerator<UploadEvent[]> {
  const { folder, uploads, exclude, settleMs, signal } = options;
  const files = new WholeFiles(settleMs);
  let failure: ClustsegError | undefined;
  const watcher = watchFiles(folder, {
    followSymlinks: false,
    ignorePermissionErrors: true,
    usePolling: options.poll,
    ignored: (file) => isPrivate(file) || exclude.some((one) => file === one || isBelow(one, file)),
  });
  const keyOf = (file: string) => path.relative(folder, file).split(path.sep).join("/");
  const touch = (file: string) => {
    const key = keyOf(file);
    if (isImageKey(key) && !isResultKey(key)) files.touch(file);
  };
  watcher.on("add", touch);
  watcher.on("change", touch);
  watcher.on("error", (error) => {
    failure ??= watchError(folder, error);
  });

  const waiting = new Set<string>();
  try {
    while (!signal.aborted) {
      for (const file of await files.settled()) waiting.add(file);
      if (failure !== undefined) throw failure;
      const events: UploadEvent[] = [];
      for (const file of waiting) {
        if (events.length === batchItems) break;
        waiting.delete(file);
        const info = await uploads.head(keyOf(file)).catch(() => undefined);
        if (info !== undefined) events.push(info);
      }
      if (events.length > 0) yield events;
      else await pause(Math.min(settleMs / 2, 500), signal);
      if (!(await isFolder(folder))) throw gone(folder);
    }
  } finally {
    await watcher.close();
  }
}

function isPrivate(file: string): boolean {
  return path.basename(file).toLowerCase().startsWith(".clustseg");
}

async function isFolder(folder: string): Promise<boolean> {
  return stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function gone(folder: string): ClustsegError {
  return new ClustsegError("STORE_READ_FAILED", `the watched folder ${folder} is not there any more`, {
    hint: "Make it again and start again: what is done is not done twice.",
  });
}

function watchError(folder: string, cause: unknown): ClustsegError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ClustsegError("STORE_READ_FAILED", `the system cannot watch ${folder}: ${reason}`, {
    hint: "Its number of watched files may be used up: try --poll, or raise fs.inotify.max_user_watches on Linux.",
    cause,
  });
}

/** Wait, but not beyond an abort. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
