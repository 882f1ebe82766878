import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf } from "./folder-errors.js";

/**
 * Makes a folder and those above it. Node's own `recursive` never returns where the system says that a folder is missing
 * although the one above is there, as it does below /proc.
 * @throws the system's error
 */
export function makeFolders(folder: string): void {
  if (made(folder, "ENOENT")) return;
  const above = dirname(folder);
  if (above !== folder) makeFolders(above);
  made(folder);
}

/** False for the one error that is for the caller to mend. */
function made(folder: string, forCaller?: string): boolean {
  try {
    mkdirSync(folder);
    return true;
  } catch (error) {
    if (forCaller !== undefined && errnoOf(error) === forCaller) return false;
    if (errnoOf(error) === "EEXIST" && statSync(folder).isDirectory()) return true;
    throw error;
  }
}
