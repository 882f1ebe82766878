import { type ChildProcess, fork } from "node:child_process";
import { basename, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { defaultBundle } from "../../layers/model/find-bundle.js";
import { type BenchResult, type CommonOptions, recordResult } from "./result.js";

export type { BenchResult, CommonOptions };

/** Work that a bench does in a process of its own: its input and output are JSON. */
export type ChildTask = (input: never) => Promise<unknown>;

export interface BenchDefinition<Options extends CommonOptions> {
  readonly name: string;
  readonly about: string;
  /** Adds the bench's own options. */
  readonly options?: (command: Command) => Command;
  /** The file of the result, where options make it another one. @default name */
  readonly resultName?: (options: Options) => string;
  /** Option values that --smoke sets. */
  readonly smoke?: Partial<Options>;
  readonly children?: Readonly<Record<string, ChildTask>>;
  /** Measures, prints, and returns what is written as JSON. */
  readonly main: (options: Options) => Promise<BenchResult>;
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
    const result = await definition.main(options);
    await recordResult(definition.name, definition.resultName?.(options) ?? definition.name, options, result);
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
  return inProgram<T>(process.argv[1] ?? "", ["child", task], input, options);
}

/** The same with a program that is not this bench: it is sent `input`, answers with one message and ends. */
export async function inProgram<T>(
  program: string,
  args: readonly string[],
  input: object,
  options: ChildOptions = {},
): Promise<T> {
  const child: ChildProcess = fork(program, [...args], {
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
      else reject(new Error(`the bench's process "${args.at(-1) ?? program}" ended with ${signal ?? `code ${code}`}`));
    });
  });
  child.send(input);
  return result;
}

/** Adds `--bundle`, for benches of one bundle. */
export function addBundleOption(command: Command): Command {
  return command.option("--bundle <name|dir>", "a bundle that ships, or a folder", defaultBundle);
}

/** `name` for the superpixel bundle, `name-<bundle>` for the others. */
export function nameWithBundle(name: string): (options: { readonly bundle: string }) => string {
  return ({ bundle }) => (bundle === defaultBundle ? name : `${name}-${basename(resolve(bundle))}`);
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
