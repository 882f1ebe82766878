import { lstatSync, realpathSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { ClustsegError } from "../segments/errors.js";
import { makeFolders } from "./make-folders.js";
import { isBelow } from "./paths.js";

/** Folders remembered as checked; a run works in one or few at a time. */
const maxChecked = 4096;

/**
 * The root of a folder store, and the rule that nothing outside it is touched: every folder on the way to a file is looked
 * at once, and a symbolic link among them must lead to a place inside. (It guards against links that lie there, not against
 * somebody who swaps folders for links while we work.)
 */
export class FolderRoot {
  readonly path: string;
  #real: string | undefined;
  readonly #checked = new Set<string>();

  constructor(path: string) {
    this.path = resolve(path);
  }

  /** @returns whether `folder`, a path below the root, is there @throws ClustsegError OBJECT_OUTSIDE_ROOT */
  hasFolder(folder: string, what: string): boolean {
    if (folder === this.path || this.#checked.has(folder)) return true;
    if (!this.hasFolder(dirname(folder), what)) return false;
    const found = lstatSync(folder, { throwIfNoEntry: false });
    if (found === undefined) return false;
    if (found.isSymbolicLink()) this.checkInside(realpathSync.native(folder), what);
    if (this.#checked.size >= maxChecked) this.#checked.clear();
    this.#checked.add(folder);
    return true;
  }

  /**
   * Make `folder` if it is not there.
   * @param again it was made before and was found missing: somebody deleted it
   * @throws ClustsegError OBJECT_OUTSIDE_ROOT
   */
  makeFolder(folder: string, what: string, again: boolean): void {
    if (again) this.#checked.clear();
    // The root itself is taken to be there, so that the one look at it is left out; `again` makes it, too.
    if (this.hasFolder(folder, what) && !again) return;
    makeFolders(folder);
  }

  /** Where a link leads. @throws ClustsegError OBJECT_OUTSIDE_ROOT */
  async target(link: string, what: string): Promise<string> {
    const target = await realpath(link);
    this.checkInside(target, what);
    return target;
  }

  /** @throws ClustsegError OBJECT_OUTSIDE_ROOT */
  checkInside(realPath: string, what: string): void {
    this.#real ??= realpathSync.native(this.path);
    if (realPath === this.#real || isBelow(this.#real, realPath)) return;
    throw new ClustsegError("OBJECT_OUTSIDE_ROOT", `${what} is a link that leads out of the folder`, {
      hint: "Copy the files into the folder, or start from the folder that the link leads to.",
    });
  }
}
