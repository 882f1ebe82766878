import { hostname } from "node:os";
import type { RunOwner } from "../../layers/pipeline/ports.js";
import { isRunning, pidSpace } from "../../layers/storage/processes.js";

/** Of this start of this program: a process id alone comes back, in containers even every time. */
const start = Math.random().toString(36).slice(2, 10).padEnd(8, "0");

/** This process as the owner of runs. It knows of processes that ended as long as they have run on this machine. */
export function processOwner(): RunOwner {
  const name = nameOf(process.pid, start);
  return { name, hasEnded: (other) => other !== name && endedHere(other) };
}

/** "pid 4711 of my-host (4026531836-k3j9x2ab)" */
function nameOf(pid: number | string, start: string): string {
  return `pid ${pid} of ${hostname()} (${pidSpace()}-${start})`;
}

function endedHere(name: string): boolean {
  const [, pid = "", other = ""] = /^pid (\d+) of .* \(\d*-(\w+)\)$/.exec(name) ?? [];
  // Another machine's, or another container's, whose process ids are not ours.
  if (pid === "" || name !== nameOf(pid, other)) return false;
  return Number(pid) === process.pid || !isRunning(Number(pid));
}
