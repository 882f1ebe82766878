import { type ChildProcess, fork } from "node:child_process";
import { Command, InvalidArgumentError } from "commander";
import { recordResult } from "./result.js";

/** Work that a bench does in a process of its own: its input and output are JSON. */
export type ChildTask = (input: never) => Promise<unknown>;

/** What every bench understands. */
export interface CommonOptions {
  /** Also write the result to docs/measurements. */
  readonly record: boolean;
  /** Tiny counts: only to see that the bench is not broken. */
  readonly smoke: boolean;
}

export interface BenchDefinition<Options extends CommonOptions> {
  readonly name: string;
  readonly about: string;
  /** Adds the bench's own options. */
  readonly options?: (command: Command) => Command;
  /** Option values that --smoke sets. */
  readonly smoke?: Partial<Options>;
  readonly children?: Readonly<Record<string, ChildTask>>;
  /** Measures, prints, and returns what is written as JSON. */
  readonly main: (options: Options) => Promise<object>;
}

/** Something is missing on this machine; the message says what to do, and nobody needs a stack for it. */
export class SetupError extends Error {}

/** The one call at the end of each bench: runs a child's task when started as a child, else the bench. */
export async function bench<Options extends CommonOptions>(definition: BenchDefinition<Options>): Promise<void> {
  if (process.send !== undefined && process.argv[2] === "child") {
    process.once("message", (input) => void runTask(definition.children ?? {}, input));
    return;
  }
  const command = new Command(`npm run bench -- ${definition.name}`)
    .description(definition.about)
    .option("--record", "also write the result to docs/measurements", false)
    .option("--smoke", "tiny counts, only to see that the bench is not broken", false);
  definition.options?.(command);
  command.parse();
  const given = command.opts<Options>();
  const options = given.smoke ? { ...given, ...definition.smoke } : given;
  console.log(`\n# ${definition.name}: ${definition.about}\n`);
  try {
    await recordResult(definition.name, options, await definition.main(options));
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}

async function runTask(tasks: Readonly<Record<string, ChildTask>>, input: unknown): Promise<void> {
  const task = tasks[process.argv[3] ?? ""];
  if (task === undefined) throw new Error(`the bench has no task called ${process.argv[3]}`);
  const result = await task(input as never);
  process.send?.(result, () => process.disconnect());
}

export interface ChildOptions {
  /** For Node, such as --cpu-prof. */
  readonly nodeArguments?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a task of this bench in a process of its own, which starts with a fresh memory. Rejects if the task throws. */
export async function inChild<T>(task: string, input: object, options: ChildOptions = {}): Promise<T> {
  const child: ChildProcess = fork(process.argv[1] ?? "", ["child", task], {
    execArgv: ["--enable-source-maps", ...(options.nodeArguments ?? [])],
    env: { ...process.env, ...options.env },
  });
  const result = new Promise<T>((resolve, reject) => {
    let answer: T | undefined;
    child.on("message", (message) => {
      answer = message as T;
    });
    child.on("error", reject);
    // Not before it has ended, so that no child's last breath falls into the next one's measurement.
    child.on("exit", (code, signal) => {
      if (answer !== undefined && code === 0) resolve(answer);
      else reject(new Error(`the bench's process "${task}" ended with ${signal ?? `code ${code}`}`));
    });
  });
  child.send(input);
  return result;
}

/** For commander: a whole number from 1. */
export function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("Expected a whole number from 1.");
  return value;
}

/** For commander: whole numbers from 1, comma-separated. */
export function counts(text: string): number[] {
  return text.split(",").map(count);
}
