import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { ContainerStart, JobRunner, RunningContainer } from "./job-runner.js";

/**
 * Runs the built worker as a plain process: the same bundle, arguments and environment as in the image, on this machine's
 * files. Faster than a container, and blind to what only the image can get wrong (its user, files and libraries).
 * @param worker what the image's command "segment" starts
 * @param models stands for the image's folder of bundles
 */
export function processRunner(node: string, worker: string, models: string): JobRunner {
  return {
    description: `the built worker as a plain process, under ${node}`,
    start(container) {
      const [, ...words] = container.command ?? [];
      return startProcess(node, [worker, ...words], container, {
        CLUSTSEG_PROVIDER: "cpu",
        ...container.environment,
        CLUSTSEG_MODELS: models,
      });
    },
  };
}

export function startProcess(
  program: string,
  parameters: readonly string[],
  { log }: ContainerStart,
  environment: Readonly<Record<string, string>>,
): RunningContainer {
  const file = openSync(log, "a");
  const child = spawn(program, parameters, {
    stdio: ["ignore", file, file],
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", ...environment },
  });
  closeSync(file);
  const ended = new Promise<{ exitCode: number; reason: string }>((settle) => {
    child.once("exit", (code, signal) => settle(endOf(code, signal)));
    child.once("error", (error) => settle({ exitCode: 127, reason: `CannotStartContainerError: ${error.message}` }));
  });
  return { signal: (name) => child.kill(name), ended };
}

/** Exit codes as a container has them: 128 and the signal's number. */
export function endOf(code: number | null, signal: NodeJS.Signals | null): { exitCode: number; reason: string } {
  if (signal === "SIGKILL") return { exitCode: 137, reason: "OutOfMemoryError: Container killed due to memory usage" };
  return { exitCode: code ?? (signal === "SIGTERM" ? 143 : 1), reason: "" };
}
