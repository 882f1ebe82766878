/**
 * Being told to leave, and the time that is left for it.
 *
 * ECS sends SIGTERM and, 30 s later unless told otherwise, SIGKILL (a task that is stopped, Fargate Spot); EC2 gives notice two
 * minutes before it takes a Spot instance back; Batch kills a job at its timeout, without a word and for good. All begin the
 * same: nothing new is begun, what is in hand is finished and saved. When the time is up, what is not finished is given up,
 * and what is finished is saved.
 */
export class Interruption {
  readonly #stopping = new AbortController();
  readonly #overdue = new AbortController();
  readonly #releases: (() => void)[] = [];
  #deadline = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #reason: string | undefined;

  /** Aborted at the first call of `interrupt`: begin nothing more. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Aborted when the time is up: give up what is in hand. */
  get overdue(): AbortSignal {
    return this.#overdue.signal;
  }

  /** Why, first; undefined while nothing has happened. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Called again, the shorter time counts: a Spot notice may be followed by SIGTERM. */
  interrupt(reason: string, graceMs: number): void {
    this.#reason ??= reason;
    const deadline = Date.now() + graceMs;
    if (deadline < this.#deadline) {
      this.#deadline = deadline;
      clearTimeout(this.#timer);
      // By itself it keeps no process alive: one that has saved everything may go.
      this.#timer = setTimeout(() => this.#overdue.abort(), graceMs).unref();
    }
    this.#stopping.abort();
  }

  onRelease(release: () => void): void {
    this.#releases.push(release);
  }

  /** Listen no more. */
  release(): void {
    clearTimeout(this.#timer);
    for (const release of this.#releases.splice(0)) release();
  }
}

/** Interrupt at SIGTERM or SIGINT. As process 1 of a container, node would else ignore both. */
export function listenForSignals(interruption: Interruption, graceMs: number, onSignal: (name: string) => void): void {
  const listener = (name: NodeJS.Signals) => {
    onSignal(name);
    interruption.interrupt(name, graceMs);
  };
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, listener);
    interruption.onRelease(() => process.off(name, listener));
  }
}

/** Before a job's timeout: enough for an image in hand, the last pack and the end of a graph. */
const leaveMs = 120_000;
/** What is left after the grace: the last pack and the graph (worker.ts gives them 12 s), and a little. */
const afterGraceMs = 15_000;

/**
 * When to leave a job that is killed after `seconds`: two minutes before, or at half time if that is later.
 * @returns milliseconds from the job's start, and the grace that is left then for what is in hand
 */
export function leavingTime(seconds: number): { readonly afterMs: number; readonly graceMs: number } {
  const margin = Math.min(leaveMs, seconds * 500);
  return { afterMs: seconds * 1000 - margin, graceMs: Math.min(60_000, Math.max(0, margin - afterGraceMs)) };
}

/** Interrupt in time before a job that has begun `elapsedMs` ago is killed, `seconds` after its start. */
export function watchDeadline(
  interruption: Interruption,
  seconds: number,
  elapsedMs: number,
  onLeaving: (graceMs: number) => void,
): void {
  const { afterMs, graceMs } = leavingTime(seconds);
  const leave = () => {
    onLeaving(graceMs);
    interruption.interrupt("the job's time", graceMs);
  };
  const timer = setTimeout(leave, Math.max(0, afterMs - elapsedMs)).unref();
  interruption.onRelease(() => clearTimeout(timer));
}
