/** What the first call of a new function has cost. */
export interface ColdStart {
  /** From the start of the process to the first call: the runtime and the code. */
  readonly startMs: number;
  /** From the first call to its end: the models, and the images. */
  readonly firstMs: number;
  /** The most that the process has had in memory until then, the graph included. */
  readonly peakMib: number;
}

/**
 * Measures the first call of this process, so that it can be logged once, with the run: Lambda's own REPORT lines name none, so that
 * whoever looks for a run's lines does not find them.
 */
export class ColdStartMeter {
  #isFirst = true;
  readonly #uptime: () => number;
  readonly #peakKib: () => number;

  /** @param uptime seconds of the process; @param peakKib the most memory it has had */
  constructor(uptime = () => process.uptime(), peakKib = () => process.resourceUsage().maxRSS) {
    this.#uptime = uptime;
    this.#peakKib = peakKib;
  }

  /** Call it as a call begins. @returns what to ask at the call's end; it answers undefined for all calls but the first */
  begin(): () => ColdStart | undefined {
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    const start = this.#uptime();
    return () =>
      isFirst
        ? {
            startMs: Math.round(start * 1000),
            firstMs: Math.round((this.#uptime() - start) * 1000),
            peakMib: Math.round(this.#peakKib() / 1024),
          }
        : undefined;
  }
}

/** In words, as `clustseg logs` shows messages and no other fields. */
export function coldStartText({ startMs, firstMs, peakMib }: ColdStart): string {
  return `cold start: ${startMs} ms to the first call, ${firstMs} ms in it; peak memory ${peakMib} MiB`;
}
