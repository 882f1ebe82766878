import { lstatSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import type { GetOptions, ObjectInfo, ObjectStore, PutOptions } from "../pipeline/ports.js";
import { AtomicFiles, type Durability } from "./atomic-file.js";
import { errnoOf, isMissing, readError, writeError } from "./folder-errors.js";
import { isPrivateName, type NameRules, namesOfKey } from "./folder-keys.js";
import { etagOf, type FolderProblem, type ListContext, listFolder } from "./folder-list.js";
import { readBytes, readPieces, withFile } from "./folder-read.js";
import { FolderRoot } from "./folder-root.js";
import { makeFolders } from "./make-folders.js";
import { joinLines, splitLines } from "./split-lines.js";

export interface FolderStoreOptions {
  /** Identity in messages, metadata and result ids. @default the folder's file: URL */
  readonly uri?: string;
  /** Folders that a listing passes over: results that lie among the images. Need not exist. */
  readonly exclude?: readonly string[];
  /**
   * @default "process": whatever happens to this process, SIGKILL included, a file is whole or not there. Images that are
   * lost with the power are segmented again, which is cheaper than an fsync for each of a million files.
   */
  readonly durability?: Durability;
  /** Links out of the folder, loops and folders that cannot be read, met by a listing. @default passed over in silence */
  readonly onProblem?: (problem: FolderProblem) => void;
}

const writeChunk = 256 * 1024;

/**
 * A folder as an ObjectStore. Keys are paths below the root (see folder-keys.ts for odd ones). Nothing outside the root is
 * read or written: links are followed only to what lies inside. Files under `.clustseg` in the root are the store's own; in
 * a root that is itself called so, those in its folders `tmp` and `names`.
 */
export class FolderStore implements ObjectStore {
  readonly uri: string;
  readonly #root: FolderRoot;
  readonly #options: FolderStoreOptions;
  readonly #rules: NameRules = { windows: process.platform === "win32" };
  readonly #files: AtomicFiles;
  /** Folders of what is no object: files being written, and long names. */
  readonly #own: { readonly temporary: string; readonly names: string };

  /** @param root the folder; made when something is written */
  constructor(root: string, options: FolderStoreOptions = {}) {
    this.#root = new FolderRoot(root);
    this.#options = options;
    this.uri = options.uri ?? pathToFileURL(this.#root.path).href;
    const { path } = this.#root;
    const own = isPrivateName(basename(path)) ? path : join(path, ".clustseg");
    this.#own = { temporary: join(own, "tmp"), names: join(own, "names") };
    this.#files = new AtomicFiles(this.#own.temporary, options.durability ?? "process");
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    try {
      const found = await stat(await this.#pathToRead(key));
      return found.isFile() ? { key, size: found.size, etag: etagOf(found) } : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw readError(error, key, this.#root.path);
    }
  }

  /** The body has an ArrayBuffer of its own, so that it can be transferred to a worker. */
  async get(key: string, options: GetOptions = {}): Promise<{ body: Uint8Array; info: ObjectInfo }> {
    try {
      return await withFile(await this.#pathToRead(key), (fd) => readBytes(fd, key, options));
    } catch (error) {
      throw readError(error, key, this.#root.path);
    }
  }

  async *lines(key: string): AsyncGenerator<string> {
    try {
      yield* splitLines(readPieces(await this.#pathToRead(key)));
    } catch (error) {
      throw readError(error, key, this.#root.path);
    }
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<"written" | "exists"> {
    if (options.ifMatch !== undefined && (await this.head(key))?.etag !== options.ifMatch) return "exists";
    return this.#write(key, body, options.ifAbsent ?? false);
  }

  async putLines(key: string, lines: AsyncIterable<string> | Iterable<string>): Promise<void> {
    await this.#write(key, joinLines(lines, writeChunk), false);
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    const slash = prefix.lastIndexOf("/") + 1;
    let folder = this.#root.path;
    let folders: string[];
    try {
      folders = [await realpath(folder)];
      if (slash > 0) {
        for (const { name } of namesOfKey(prefix.slice(0, slash - 1), this.#rules)) {
          folder = join(folder, name);
          folders.push(await realpath(folder));
        }
        this.#root.checkInside(folders.at(-1)!, prefix);
      }
    } catch (error) {
      if (isMissing(error)) return;
      throw readError(error, prefix, this.#root.path);
    }
    const excluded = await Promise.all(
      [...(this.#options.exclude ?? []), ...Object.values(this.#own)].map((path) =>
        realpath(path).catch(() => resolve(path)),
      ),
    );
    const context: ListContext = {
      rules: this.#rules,
      excluded: new Set(excluded),
      longSegment: (name) => this.#longSegment(name),
      onProblem: this.#options.onProblem ?? (() => {}),
      checkInside: (realPath, what) => this.#root.checkInside(realPath, what),
    };
    yield* listFolder(context, folders, prefix.slice(0, slash), prefix.slice(slash));
  }

  async delete(key: string): Promise<void> {
    try {
      const path = this.#pathOf(key);
      if (!this.#root.hasFolder(dirname(path), key)) return;
      rmSync(path, { force: true });
      // Folders are implied by keys: one that holds nothing is not there.
      for (let folder = dirname(path); folder.startsWith(this.#root.path + sep); folder = dirname(folder))
        rmdirSync(folder);
    } catch (error) {
      if (["ENOENT", "ENOTDIR", "ENOTEMPTY", "EEXIST", "EBUSY", "ERR_FS_EISDIR"].includes(errnoOf(error) ?? "")) return;
      throw writeError(error, key, this.#root.path);
    }
  }

  /**
   * Remove the store's own folders as far as they are empty, `.clustseg` included: for the end of a run. What another
   * process does there meanwhile goes on, as it makes them again.
   */
  tidy(): void {
    const { temporary, names } = this.#own;
    for (const folder of [temporary, names, dirname(temporary)]) {
      try {
        rmdirSync(folder);
      } catch {
        // Not empty, not there, or not ours to remove: it stays.
      }
    }
  }

  async #write(
    key: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    ifAbsent: boolean,
  ): Promise<"written" | "exists"> {
    try {
      const names = namesOfKey(key, this.#rules);
      const path = join(this.#root.path, ...names.map(({ name }) => name));
      for (const [i, segment] of key.split("/").entries())
        if (names[i]!.long) await this.#keepLongSegment(names[i]!.name, segment);
      return await this.#files.write(path, body, {
        ifAbsent,
        makeFolder: (again) => this.#root.makeFolder(dirname(path), key, again),
      });
    } catch (error) {
      throw writeError(error, key, this.#root.path);
    }
  }

  /** The path to open for a key, a link being resolved, once it is known that it does not lead out of the root. */
  async #pathToRead(key: string): Promise<string> {
    const path = this.#pathOf(key);
    if (!this.#root.hasFolder(dirname(path), key)) return path;
    const found = lstatSync(path, { throwIfNoEntry: false });
    return found?.isSymbolicLink() ? this.#root.target(path, key) : path;
  }

  #pathOf(key: string): string {
    return join(this.#root.path, ...namesOfKey(key, this.#rules).map(({ name }) => name));
  }

  async #keepLongSegment(name: string, segment: string): Promise<void> {
    const folder = this.#own.names;
    if (this.#longSegment(name) === segment) return;
    makeFolders(folder);
    await this.#files.write(join(folder, name), Buffer.from(segment), {
      ifAbsent: false,
      makeFolder: () => makeFolders(folder),
    });
  }

  #longSegment(name: string): string | undefined {
    try {
      return readFileSync(join(this.#own.names, name), "utf8");
    } catch {
      return undefined;
    }
  }
}
