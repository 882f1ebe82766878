import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** Does the process of this id run, as far as can be seen from here? One that was killed and not yet waited for does not. */
export function isRunning(pid: number): boolean {
  const state = linuxState(pid);
  if (state !== undefined) return !"ZXx".includes(state);
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/**
 * "R", "S", "Z" (ended, but its parent has not asked how: kill(pid, 0) still finds it), …; undefined elsewhere than on
 * Linux, and for what is not there or hidden.
 */
function linuxState(pid: number): string | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // "4711 (name) S …", and a name may hold anything, ")" included.
    return stat.slice(stat.lastIndexOf(")") + 2)[0];
  } catch {
    return undefined;
  }
}

/** On Linux, what processes see each other's ids; containers may share a host's name. */
export function pidSpace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid").replace(/\D/g, "");
  } catch {
    return "";
  }
}

/** Eight hexadecimal digits of the machine or container in which a process id means something. */
export function pidPlace(): string {
  return createHash("sha256").update(`${hostname()} ${pidSpace()}`).digest("hex").slice(0, 8);
}
