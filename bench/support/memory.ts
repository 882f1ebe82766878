import { readFileSync } from "node:fs";

/**
 * The largest resident set this process has had, in MiB. Linux' VmHWM begins anew at exec; getrusage's figure, which is taken
 * elsewhere, would begin with what the parent had when it forked.
 */
export function peakRssMib(): number {
  try {
    const kib = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    if (kib !== undefined) return Math.round(Number(kib) / 1024);
  } catch {
    // No /proc here.
  }
  return Math.round(process.resourceUsage().maxRSS / 1024);
}

export function rssMib(): number {
  return process.memoryUsage.rss() / 1024 ** 2;
}
