import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { runProgram } from "../../bin/program.js";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const bundle = join(root, "models/clustseg-superpixel");

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when stdout or stderr has this text. */
  until(text: string): Promise<void>;
}

/** The real command line, as a child process that runs in `cwd`. */
export function start(cwd: string, ...args: string[]): Started {
  const child = spawn(process.execPath, [join(root, "bin/clustseg.mjs"), ...args], { cwd });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
  const until = async (text: string) => {
    while (!(stdout + stderr).includes(text)) {
      if (child.exitCode !== null) throw new Error(`ended without "${text}":\n${stdout}\n${stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  return { child, ended, until };
}

export function clustseg(cwd: string, ...args: string[]): Promise<Ended> {
  return start(cwd, ...args).ended;
}

/** The same command line in this process, for what needs no other: it starts in no time. */
export async function inProcess(cwd: string, ...args: string[]): Promise<Ended> {
  let stdout = "";
  let stderr = "";
  const print = (line: string) => {
    stdout += `${line}\n`;
  };
  const note = (line: string) => {
    stderr += `${line}\n`;
  };
  const code = await runProgram(args, { print, note, stderr: process.stderr, cwd });
  return { code, stdout, stderr };
}

/** A folder of the test's own, removed when it has ended. */
export async function workspace(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "clustseg-bin-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The same for all tests of a `describe`, to be called in it. */
export function sharedWorkspace(fill: (folder: string) => Promise<void>): string {
  const folder = mkdtempSync(join(tmpdir(), "clustseg-bin-"));
  beforeAll(() => fill(folder));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A small picture with some shapes in it; another `shade`, other bytes. */
export async function photo(shade = 0, width = 48, height = 32): Promise<Buffer> {
  const pixels = Buffer.alloc(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const inside = ((i % width) >> 4) + (Math.floor(i / width) >> 4);
    pixels.set([(inside * 60 + shade * 7) % 256, (inside * 90) % 256, shade % 256], i * 3);
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg()
    .toBuffer();
}

/** Photos at these paths below `folder`, each with bytes of its own. */
export async function photos(folder: string, ...names: string[]): Promise<void> {
  for (const [shade, name] of names.entries()) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), await photo(shade));
  }
}

/** The JSON lines of a `--json` run; throws if one of them is none. */
export function jsonLines(stdout: string): { type: string; [name: string]: unknown }[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}
