import path from "node:path";

/** Does `file` lie in `folder`, at any depth? Both absolute; nothing is looked at on the disk. */
export function isBelow(folder: string, file: string): boolean {
  return file.startsWith(folder.endsWith(path.sep) ? folder : folder + path.sep);
}
