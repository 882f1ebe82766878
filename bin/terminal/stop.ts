export interface Stop {
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  /** Listen no more. */
  release(): void;
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** What a shell gives for a program that SIGINT ended. */
const interrupted = 130;

export const stopText = "stopping after the images in flight; once more to stop at once";

/**
 * The first signal asks for a clean end, the second ends at once: results are written whole or not at all, so that costs no
 * more than the images in flight.
 */
export function listenForStop(onStop: () => void): Stop {
  const controller = new AbortController();
  const listener = () => {
    if (controller.signal.aborted) process.exit(interrupted);
    controller.abort();
    onStop();
  };
  for (const name of signals) process.on(name, listener);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of signals) process.off(name, listener);
    },
  };
}
