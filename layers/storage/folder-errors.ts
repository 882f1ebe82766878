import { ClustsegError } from "../segments/errors.js";

/** A file system's error code ("ENOENT"), if `error` has one. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/**
 * What went wrong when a file was read; an error that is not the file system's is returned as it is.
 * @param what the object's key: what outcomes and reports name
 * @param folder of the store, named where the store is at fault
 */
export function readError(error: unknown, what: string, folder: string): unknown {
  if (errnoOf(error) === undefined || error instanceof ClustsegError) return error;
  const cause = error;
  switch (errnoOf(error)) {
    case "ENOENT":
    case "ENOTDIR":
      // Node reads such bytes as U+FFFD, and what it then asks for is not there.
      if (what.includes("\ufffd")) {
        return new ClustsegError("OBJECT_KEY_INVALID", `the name of ${what} is not UTF-8, so it cannot be opened`, {
          hint: "Rename it; `convmv -r -f latin1 -t utf8 --notest <folder>` does that for all that lies in a folder.",
          cause,
        });
      }
      return new ClustsegError("OBJECT_NOT_FOUND", `${what} is not there`, {
        hint: "It was moved or deleted after it was listed, or the name is misspelt.",
        cause,
      });
    case "EACCES":
    case "EPERM":
      return new ClustsegError("OBJECT_UNREADABLE", `${what} may not be read`, {
        hint: "Give this user the permission to read it.",
        cause,
      });
    case "EIO":
      return new ClustsegError("OBJECT_UNREADABLE", `the disk cannot read ${what}`, {
        hint: "Check the disk, and restore the file from a copy.",
        cause,
      });
    case "EISDIR":
    case "ENXIO":
      return new ClustsegError("OBJECT_NOT_A_FILE", `${what} is not a file`, { hint: "Leave it out.", cause });
    case "ELOOP":
      return new ClustsegError("OBJECT_LINK_LOOP", `${what} is a link that leads back to itself`, {
        hint: "Delete the link, or point it at a file.",
        cause,
      });
    case "ENAMETOOLONG":
      return new ClustsegError("OBJECT_KEY_INVALID", `the path of ${what} is longer than this system allows`, {
        hint: "Move the folder to a shorter path, or shorten the names.",
        cause,
      });
    default:
      return new ClustsegError("STORE_READ_FAILED", `reading ${what} in ${folder} failed (${errnoOf(error)})`, {
        hint: "Try again; the run goes on where it was.",
        cause,
      });
  }
}

/** The same when a file was written. */
export function writeError(error: unknown, what: string, folder: string): unknown {
  if (errnoOf(error) === undefined || error instanceof ClustsegError) return error;
  const cause = error;
  switch (errnoOf(error)) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return new ClustsegError("STORE_FULL", `no space is left in ${folder} for ${what}`, {
        hint: "Free some space and give the same command again: it goes on where it was.",
        cause,
      });
    case "EROFS":
    case "EACCES":
    case "EPERM":
      return new ClustsegError("STORE_READ_ONLY", `${what} may not be written in ${folder}`, {
        hint: "Choose another output folder, or give this user the permission to write there.",
        cause,
      });
    case "EISDIR":
    case "ENOTDIR":
    case "EEXIST":
    case "ENOTEMPTY":
      return new ClustsegError(
        "OBJECT_NOT_A_FILE",
        `${what} cannot be written: there is a file where a folder must be, or a folder where a file must be`,
        {
          hint: 'A folder cannot hold the objects "a" and "a/b" at once: rename one, or choose an empty output folder.',
          cause,
        },
      );
    case "ENAMETOOLONG":
      return new ClustsegError("OBJECT_KEY_INVALID", `the path of ${what} is longer than this system allows`, {
        hint: "Choose an output folder with a shorter path, or shorten the image's name.",
        cause,
      });
    default:
      return new ClustsegError("STORE_WRITE_FAILED", `writing ${what} in ${folder} failed (${errnoOf(error)})`, {
        hint: "Try again; the run goes on where it was.",
        cause,
      });
  }
}

/** Is there simply nothing at the path? */
export function isMissing(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "");
}
