import { closeSync, linkSync, openSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errnoOf } from "./folder-errors.js";
import { makeFolders } from "./make-folders.js";
import { isRunning, pidPlace } from "./processes.js";

/**
 * What a file that was written survives. "process": the end of this process at any moment, SIGKILL included: the bytes are in
 * the kernel's cache before the rename makes them visible. "disk": also a loss of power (fsync of the file and its folder).
 */
export type Durability = "process" | "disk";

/**
 * Above this, a write is handed to the thread pool. Below, five trips to the pool cost more than the write itself (254 us
 * against 54 us for 30 KB), which only copies into the kernel's cache.
 */
const smallBytes = 1024 * 1024;

let counter = 0;
/** Whose process ids are ours: two containers that share a folder can have the same. */
const place = pidPlace();

/** Writes files whole or not at all: into `temporary` (on the same file system), then renamed or linked into place. */
export class AtomicFiles {
  readonly #temporary: string;
  readonly #durability: Durability;
  #ready = false;

  constructor(temporary: string, durability: Durability) {
    this.#temporary = temporary;
    this.#durability = durability;
  }

  async write(
    path: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    options: { readonly ifAbsent: boolean; readonly makeFolder: (again: boolean) => void },
  ): Promise<"written" | "exists"> {
    const temporary = this.#newName();
    try {
      const small = body instanceof Uint8Array && body.length <= smallBytes && this.#durability === "process";
      if (small) this.#whereTemporary(() => writeFileSync(temporary, body, { flag: "wx" }));
      else await this.#writeLarge(temporary, body);
      const done = this.#place(temporary, path, options);
      if (this.#durability === "disk") await syncFolder(dirname(path));
      return done;
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  async #writeLarge(temporary: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    // Made here, so that an error of the body's own is not taken for a missing folder.
    this.#whereTemporary(() => closeSync(openSync(temporary, "wx")));
    const file = await open(temporary, "r+");
    try {
      if (body instanceof Uint8Array) await file.writeFile(body);
      else for await (const piece of body) await file.writeFile(piece);
      if (this.#durability === "disk") await file.sync();
    } finally {
      await file.close();
    }
  }

  #place(
    temporary: string,
    path: string,
    { ifAbsent, makeFolder }: { readonly ifAbsent: boolean; readonly makeFolder: (again: boolean) => void },
  ): "written" | "exists" {
    for (let attempt = 0; ; attempt++) {
      makeFolder(attempt > 0);
      try {
        if (!ifAbsent) {
          renameSync(temporary, path);
          return "written";
        }
        return linkIfAbsent(temporary, path);
      } catch (error) {
        // Somebody's delete removed the folder, which had been empty, between its making and its use.
        if (errnoOf(error) !== "ENOENT" || attempt === 3) throw error;
      }
    }
  }

  /** Another process may have removed the folder between two writes of ours, as it was empty (`FolderStore.tidy`). */
  #whereTemporary(make: () => void): void {
    for (let attempt = 0; ; attempt++) {
      try {
        if (!this.#ready || attempt > 0) makeFolders(this.#temporary);
        if (!this.#ready) removeStale(this.#temporary);
        this.#ready = true;
        make();
        return;
      } catch (error) {
        if (errnoOf(error) !== "ENOENT" || attempt === 3) throw error;
      }
    }
  }

  #newName(): string {
    return join(this.#temporary, `${place}-${process.pid}-${counter++}-${Math.random().toString(36).slice(2)}`);
  }
}

function linkIfAbsent(temporary: string, path: string): "written" | "exists" {
  try {
    linkSync(temporary, path);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") {
      rmSync(temporary, { force: true });
      return "exists";
    }
    const noLinks = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "EMLINK", "ENOSYS"].includes(errnoOf(error) ?? "");
    if (!noLinks) throw error;
    // No hard links here (exFAT): claim the name first. Whoever is killed in between leaves an empty file, which
    // a reader takes for damaged.
    try {
      closeSync(openSync(path, "wx"));
    } catch (claim) {
      if (errnoOf(claim) !== "EEXIST") throw claim;
      rmSync(temporary, { force: true });
      return "exists";
    }
    renameSync(temporary, path);
    return "written";
  }
  rmSync(temporary, { force: true });
  return "written";
}

async function syncFolder(path: string): Promise<void> {
  // Windows cannot open folders, and does not need it.
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** What processes that were killed have left here: those of this machine at once, those of others after a day. */
function removeStale(temporary: string): void {
  const limit = Date.now() - 24 * 3600 * 1000;
  for (const name of readdirSync(temporary)) {
    const path = join(temporary, name);
    const [, where, pid] = /^([0-9a-f]{8})-(\d+)-/.exec(name) ?? [];
    if (where === place && !isRunning(Number(pid))) {
      rmSync(path, { force: true });
      continue;
    }
    const found = statSync(path, { throwIfNoEntry: false });
    if (found !== undefined && found.mtimeMs < limit) rmSync(path, { force: true });
  }
}
