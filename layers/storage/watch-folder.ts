import { stat } from "node:fs/promises";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { watch as watchFiles } from "chokidar";
import { isImageKey, isResultKey } from "../pipeline/keys.js";
import type { ObjectInfo, ObjectStore } from "../pipeline/ports.js";
import { ClustsegError } from "../segments/errors.js";
import { isPrivateName } from "./folder-keys.js";
import { isBelow } from "./paths.js";
import { WholeFiles } from "./whole-files.js";

export interface WatchedFolderOptions {
  /** Absolute. */
  readonly folder: string;
  /** The same folder as a store, which gives the files their keys and etags. */
  readonly uploads: ObjectStore;
  /** Folders (absolute) that are not looked into: the results. */
  readonly exclude: readonly string[];
  /** A file is whole when it has not changed for so long. */
  readonly settleMs: number;
  /** Look at the files now and then, where the system does not tell of changes (network drives). */
  readonly poll: boolean;
  readonly signal: AbortSignal;
}

/** Larger batches would let what has just landed wait for long. */
const batchItems = 512;

/**
 * What the notifications of a bucket are in the cloud, for a folder: batches of images, first of what lies in it, then of
 * what appears or changes, each when it is whole. As upload events they are what intake takes. Ends when `signal` aborts.
 *
 * @throws ClustsegError STORE_READ_FAILED when the folder goes, or the system cannot watch it
 */
export async function* watchFolder(options: WatchedFolderOptions): AsyncGenerator<ObjectInfo[]> {
  const { folder, uploads, exclude, settleMs, signal } = options;
  const files = new WholeFiles(settleMs);
  let failure: ClustsegError | undefined;
  const watcher = watchFiles(folder, {
    followSymlinks: false,
    ignorePermissionErrors: true,
    usePolling: options.poll,
    ignored: (file) => isPrivateName(path.basename(file)) || exclude.some((one) => file === one || isBelow(one, file)),
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
      const landed: ObjectInfo[] = [];
      for (const file of waiting) {
        if (landed.length === batchItems) break;
        waiting.delete(file);
        const info = await uploads.head(keyOf(file)).catch(() => undefined);
        if (info !== undefined) landed.push(info);
      }
      if (landed.length > 0) yield landed;
      // An abort ends the wait by an error; the loop's head sees it.
      else await wait(Math.min(settleMs / 2, 500), undefined, { signal }).catch(() => {});
      if (!(await isFolder(folder))) throw gone(folder);
    }
  } finally {
    await watcher.close();
  }
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
