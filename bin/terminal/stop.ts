export interface Stop {
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP, and when nobody reads the output any more. */
  readonly signal: AbortSignal;
  /** Listen no more. */
  release(): void;
}

export interface StopOptions {
  /** Aborted when whoever read the output has gone (`| head`). */
  readonly gone?: AbortSignal | undefined;
  /** A first signal has come: tell the person. Not called for `gone`, as nobody listens then. */
  onStop(): void;
  /** Leave the terminal as it was, at once: the second signal ends the process. */
  restore?(): void;
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export const stopText = "stopping after the images in flight; once more to stop at once";

/**
 * The first signal asks for a clean end, the second ends at once: results are written whole or not at all, so that costs no
 * more than the images in flight.
 *
 * The second signal is sent again with nobody listening, so that the system ends the process and the parent sees the signal.
 * process.exit would not do: it tears down the thread that runs the graph in the middle of it, and onnxruntime aborts.
 */
export function listenForStop({ gone, onStop, restore }: StopOptions): Stop {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const listener = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      restore?.();
      for (const one of signals) process.removeAllListeners(one);
      process.kill(process.pid, name);
      return;
    }
    abort();
    onStop();
  };
  for (const name of signals) process.on(name, listener);
  if (gone?.aborted) abort();
  else gone?.addEventListener("abort", abort);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of signals) process.off(name, listener);
      gone?.removeEventListener("abort", abort);
    },
  };
}
