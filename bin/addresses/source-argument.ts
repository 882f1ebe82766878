import { lstat, readFile, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { isImageKey } from "../../layers/pipeline/keys.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { isBelow } from "../../layers/storage/paths.js";

/** What one source argument names. */
export interface NamedFiles {
  /** Keys are at their most readable below this folder (absolute). */
  readonly base: string;
  /** Absolute paths; undefined for all that lies in `base`. */
  readonly paths: readonly string[] | undefined;
  /** Named one by one, so taken whatever they are called. */
  readonly explicit: boolean;
}

/**
 * A folder, a file, a list (.txt) or a glob. What exists under the very name is that, even if it looks like a glob.
 * @throws ClustsegError SOURCE_NOT_FOUND, SOURCE_EMPTY, SOURCE_LIST_INVALID
 */
export async function resolveArgument(argument: string, cwd: string): Promise<NamedFiles> {
  const absolute = path.resolve(cwd, argument);
  const found = await stat(absolute).catch(() => undefined);
  if (found?.isDirectory()) return { base: absolute, paths: undefined, explicit: false };
  if (found?.isFile() && path.extname(absolute).toLowerCase() === ".txt") return readList(absolute, argument);
  // A link that leads nowhere is there as well: reading it will tell what is wrong with it.
  if (found !== undefined || (await exists(absolute))) {
    const file = await throughLink(absolute);
    return { base: path.dirname(file), paths: [file], explicit: true };
  }
  return expandGlob(argument, cwd);
}

/** A link out of its folder is followed when a person named it: a store would not, as others may have put it there. */
async function throughLink(file: string): Promise<string> {
  const [target, folder] = await Promise.all([realpath(file), realpath(path.dirname(file))]).catch(() => [file, "/"]);
  return target === undefined || folder === undefined || isBelow(folder, target) ? file : target;
}

async function readList(list: string, argument: string): Promise<NamedFiles> {
  const bytes = await readFile(list).catch((cause: unknown) => {
    throw new ClustsegError("SOURCE_LIST_INVALID", `the list ${argument} cannot be read`, {
      hint: "Give yourself the permission to read it.",
      cause,
    });
  });
  if (bytes.includes(0)) {
    throw new ClustsegError("SOURCE_LIST_INVALID", `${argument} is not a text`, {
      hint: "A .txt file is taken as a list with one path a line, in UTF-8. Rename it if it is an image.",
    });
  }
  const folder = path.dirname(list);
  const lines = bytes
    .toString("utf8")
    .replace(/^\ufeff/, "")
    .split(/\r?\n/);
  const remote = lines.find((line) => line.startsWith("s3://"));
  if (remote !== undefined) {
    throw new ClustsegError("SOURCE_LIST_INVALID", `${argument} names an object of a bucket: ${remote}`, {
      hint: "A list holds paths on this machine. Give s3://bucket/prefix/ itself as the source.",
    });
  }
  const paths = lines.filter((line) => line !== "").map((line) => path.resolve(folder, line));
  if (paths.length === 0) {
    throw new ClustsegError("SOURCE_EMPTY", `the list ${argument} names nothing`, { hint: "Write one path a line." });
  }
  const inside = paths.every((file) => isBelow(folder, file));
  return { base: inside ? folder : commonFolder(paths.map((file) => path.dirname(file))), paths, explicit: true };
}

async function expandGlob(argument: string, cwd: string): Promise<NamedFiles> {
  const { glob, isDynamicPattern } = await import("tinyglobby");
  const pattern = process.platform === "win32" ? argument.replaceAll("\\", "/") : argument;
  if (!isDynamicPattern(pattern)) {
    const hint = "Its name is not UTF-8: rename it, or name the folder that it lies in.";
    if (argument.includes("\ufffd")) {
      throw new ClustsegError("SOURCE_NOT_FOUND", `${argument} cannot be opened`, { hint });
    }
    throw new ClustsegError("SOURCE_NOT_FOUND", `there is no file or folder ${argument}`, {
      hint: "Check the path; a relative one begins where the command is given.",
    });
  }
  const paths = await glob(pattern, { cwd, absolute: true, expandDirectories: false, followSymbolicLinks: false });
  const { base, fixed } = fixedPart(pattern, cwd, isDynamicPattern);
  if (paths.length === 0) {
    if (!(await exists(base))) {
      throw new ClustsegError("SOURCE_NOT_FOUND", `there is no folder ${fixed}, in which ${argument} looks`, {
        hint: "Check the path; a relative one begins where the command is given.",
      });
    }
    throw new ClustsegError("SOURCE_NOT_FOUND", `no file matches ${argument}`, {
      hint: "** stands for any folders, * for any name within one.",
    });
  }
  const images = paths.filter((file) => isImageKey(file));
  if (images.length === 0) {
    throw new ClustsegError("SOURCE_EMPTY", `none of the ${paths.length} files that match ${argument} is an image`, {
      hint: "Images are recognised by their extension (.jpg, .png, .webp, .tif, …); name the files one by one, or in a list, to try them whatever they are called.",
    });
  }
  return { base, paths: images.map((file) => path.normalize(file)), explicit: false };
}

/** What comes before the first wildcard: as it was typed, and the folder that it is. */
function fixedPart(
  pattern: string,
  cwd: string,
  isDynamic: (part: string) => boolean,
): { readonly fixed: string; readonly base: string } {
  const parts = pattern.split("/");
  const fixed = parts.slice(
    0,
    parts.findIndex((part) => isDynamic(part) || part.includes("\\")),
  );
  return { fixed: fixed.join("/"), base: path.resolve(cwd, pattern.startsWith("/") ? "/" : ".", ...fixed) };
}

/** The deepest folder that holds all the given ones. */
export function commonFolder(folders: readonly string[]): string {
  const [first = path.resolve(), ...others] = new Set(folders);
  let common = first;
  while (!others.every((folder) => folder === common || isBelow(common, folder))) {
    const parent = path.dirname(common);
    if (parent === common) {
      throw new ClustsegError("USAGE", "the images lie on different drives", { hint: "Give one command a drive." });
    }
    common = parent;
  }
  return common;
}

async function exists(file: string): Promise<boolean> {
  return lstat(file).then(
    () => true,
    () => false,
  );
}
