import { lstat, opendir, realpath, stat } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { compareKeys } from "../pipeline/keys.js";
import type { ObjectInfo } from "../pipeline/ports.js";
import { ClustsegError } from "../segments/errors.js";
import { errnoOf, readError } from "./folder-errors.js";
import { isPrivateName, type NameRules, nameOfSegment, segmentOfName } from "./folder-keys.js";

/** Something in a folder that is no object and that the user should know of: a link out of it, a folder that cannot be read. */
export interface FolderProblem {
  readonly path: string;
  readonly error: ClustsegError;
}

export interface ListContext {
  readonly rules: NameRules;
  /** Real paths of folders that are passed over. */
  readonly excluded: ReadonlySet<string>;
  readonly longSegment: (name: string) => string | undefined;
  readonly onProblem: (problem: FolderProblem) => void;
  /** @throws ClustsegError OBJECT_OUTSIDE_ROOT */
  readonly checkInside: (realPath: string, what: string) => void;
}

/** Files looked at ahead of the reader. */
const lookAhead = 64;

/** The etag of a file, without reading it: size and time of change. */
export function etagOf(file: { readonly size: number; readonly mtimeMs: number }): string {
  return `${file.size}-${Math.floor(file.mtimeMs).toString(16)}`;
}

/**
 * The objects below one folder in key order. Memory holds the names of one folder per level.
 *
 * @param folders real paths of the folders from the root to the one to list: a link to one of them would be a loop
 * @param prefix the key of that folder, "" or ending in "/"
 * @param startsWith only entries whose segment starts with this
 */
export async function* listFolder(
  context: ListContext,
  folders: readonly string[],
  prefix: string,
  startsWith: string,
): AsyncGenerator<ObjectInfo> {
  const folder = folders.at(-1)!;
  const { segments, links } = await readFolder(context, folders, startsWith);
  let files: string[] = [];
  for (const segment of segments) {
    const isFolder = segment.endsWith("/");
    if (!isFolder && !links.has(segment)) {
      files.push(segment);
      if (files.length < lookAhead) continue;
    }
    yield* inspect(context, folder, prefix, files);
    files = [];
    if (isFolder) {
      const path = join(folder, nameOfSegment(segment.slice(0, -1), context.rules).name);
      const target = links.has(segment) ? await realpath(path).catch(() => undefined) : path;
      if (target === undefined || context.excluded.has(target) || folders.includes(target)) continue;
      yield* listFolder(context, [...folders, target], prefix + segment, "");
    } else if (links.has(segment)) {
      yield* inspect(context, folder, prefix, [segment]);
    }
  }
  yield* inspect(context, folder, prefix, files);
}

interface FolderContent {
  /** In key order; those of folders end in "/", as their keys sort with it. */
  readonly segments: readonly string[];
  /** Those that are symbolic links. */
  readonly links: ReadonlySet<string>;
}

async function readFolder(
  context: ListContext,
  folders: readonly string[],
  startsWith: string,
): Promise<FolderContent> {
  const folder = folders.at(-1)!;
  const segments: string[] = [];
  const links = new Set<string>();
  try {
    for await (const entry of await opendir(folder, { bufferSize: 1024 })) {
      if (isPrivateName(entry.name)) continue;
      const segment = segmentOfName(entry.name, context.rules, context.longSegment);
      if (segment === undefined) {
        const hint = "Rename it: names that begin with %clustseg- stand for keys that no file can be called.";
        const error = new ClustsegError("OBJECT_KEY_INVALID", `${entry.name} is the name of no object`, { hint });
        context.onProblem({ path: join(folder, entry.name), error });
        continue;
      }
      if (!segment.startsWith(startsWith)) continue;
      const isLink = entry.isSymbolicLink();
      const isFolder = isLink ? await isFolderToFollow(context, folders, entry.name) : entry.isDirectory();
      if (isFolder === undefined) continue;
      const listed = isFolder ? `${segment}/` : segment;
      segments.push(listed);
      if (isLink) links.add(listed);
    }
  } catch (error) {
    // Gone since it was listed, unless its name is not UTF-8 and so cannot be asked for.
    if (errnoOf(error) !== "ENOENT" || folder.includes("\ufffd")) report(context, folder, error);
  }
  return { segments: segments.sort(compareKeys), links };
}

/** undefined for a link to a folder that must not be followed; it has been reported then. */
async function isFolderToFollow(
  context: ListContext,
  folders: readonly string[],
  name: string,
): Promise<boolean | undefined> {
  const path = join(folders.at(-1)!, name);
  const found = await stat(path).catch(() => undefined);
  // A link that leads nowhere is listed like a file: reading it will tell why it cannot be read.
  if (found === undefined || !found.isDirectory()) return false;
  try {
    const target = await realpath(path);
    context.checkInside(target, path);
    if (folders.some((folder) => folder === target || folder.startsWith(target + sep))) {
      const hint = "It is passed over; delete the link to be rid of this message.";
      throw new ClustsegError("OBJECT_LINK_LOOP", `${path} is a link to a folder that it lies in`, { hint });
    }
    return true;
  } catch (error) {
    report(context, path, error);
    return undefined;
  }
}

function report({ onProblem }: ListContext, path: string, error: unknown): void {
  const mapped = readError(error, path, dirname(path));
  if (!(mapped instanceof ClustsegError)) throw error;
  onProblem({ path, error: mapped });
}

async function* inspect(
  context: ListContext,
  folder: string,
  prefix: string,
  segments: readonly string[],
): AsyncGenerator<ObjectInfo> {
  if (segments.length === 0) return;
  const infos = await Promise.all(
    segments.map((segment) =>
      inspectFile(context, join(folder, nameOfSegment(segment, context.rules).name), prefix + segment),
    ),
  );
  for (const info of infos) if (info !== undefined) yield info;
}

/** What cannot be looked at is listed nevertheless, so that it ends as a rejected image and not in silence. */
async function inspectFile(context: ListContext, path: string, key: string): Promise<ObjectInfo | undefined> {
  try {
    let found = await lstat(path);
    if (found.isSymbolicLink()) {
      context.checkInside(await realpath(path), path);
      found = await stat(path);
    }
    return { key, size: found.size, etag: etagOf(found) };
  } catch (error) {
    // Deleted since the folder was read, unless it is a link, or a name that is not UTF-8 and so cannot be asked for.
    const gone = errnoOf(error) === "ENOENT" && !key.includes("\ufffd") && (await isGone(path));
    return gone ? undefined : { key, size: 0, etag: "unreadable" };
  }
}

async function isGone(path: string): Promise<boolean> {
  return lstat(path).then(
    () => false,
    () => true,
  );
}
