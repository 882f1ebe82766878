import { type ChildProcessByStdio, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { SetupError } from "./bench.js";
import { root } from "./result.js";

/** The Python of $PYTHON, or that of training/.venv where it is there, else `python3`. */
export function usualPython(): string {
  const own = join(root, "training", ".venv", "bin", "python");
  return process.env["PYTHON"] ?? (existsSync(own) ? own : "python3");
}

/** A Python program that stays: it says one line of JSON when it has started, and answers each line with one. */
export interface PythonProgram<Greeting> {
  readonly greeting: Greeting;
  ask<Answer>(request: object): Promise<Answer>;
  close(): Promise<void>;
}

/** What a peer in Python measured. */
export interface PythonRun {
  readonly ms: number;
  /** Of all threads of the Python process. */
  readonly cpu_ms: number;
  readonly segments: number;
}

/**
 * @param script below bench/peers
 * @throws SetupError when Python cannot be started
 */
export async function startPython<Greeting>(
  python: string,
  script: string,
  args: readonly string[] = [],
): Promise<PythonProgram<Greeting>> {
  const program = join(root, "bench", "peers", script);
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(python, [program, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<string>((resolve) => {
    child.once("error", ({ message }) => resolve(message));
    child.once("exit", (code) => resolve(`it ended with code ${code}`));
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const reply = async <T>(): Promise<T> => {
    const line = await lines.next();
    if (line.done) throw new SetupError(`${python} gave no answer (${await ended}); name another one with --python`);
    return JSON.parse(line.value) as T;
  };
  return {
    greeting: await reply<Greeting>(),
    ask: async <Answer>(request: object): Promise<Answer> => {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return reply<Answer>();
    },
    close: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
