import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Bundle } from "../../layers/model/bundle.js";
import { SetupError } from "./bench.js";
import { root } from "./result.js";

const folder = join(root, "bench", "peers", "transformersjs");
const library = "node_modules/@huggingface/transformers";

/** The program that runs transformers.js. */
export const transformersJsProgram = join(folder, "segment.mjs");

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version: string }>>;
}

/** The version that is installed, where it is the one of the lock file. */
export async function installedTransformersJs(): Promise<string | undefined> {
  const wanted = (await readJson<Lock>(join(folder, "package-lock.json")))?.packages[library]?.version;
  const { version } = (await readJson<{ version: string }>(join(folder, library, "package.json"))) ?? {};
  return version === wanted ? version : undefined;
}

/** Installs it beside the bench if it is not there (about 500 MB); no part of the product depends on it. */
export async function installTransformersJs(): Promise<string> {
  const there = await installedTransformersJs();
  if (there !== undefined) return there;
  console.log("installing transformers.js in bench/peers/transformersjs …");
  await run(
    "npm",
    ["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
    folder,
    "npm ci in bench/peers/transformersjs failed",
  );
  const version = await installedTransformersJs();
  if (version === undefined) throw new SetupError("npm ci did not install the transformers.js of package-lock.json");
  return version;
}

/** Where the bundle's network lies in MaskFormer's form, made by clustseg.bundle.export_logits if it is not there. */
export interface LogitsModel {
  /** The folder that holds the model's. */
  readonly folder: string;
  readonly name: string;
}

/** @param python one that has the package onnx */
export async function logitsModel({ directory, manifest }: Bundle, python: string): Promise<LogitsModel> {
  const models = join(root, "bench", "results", "transformersjs");
  const out = join(models, manifest.name);
  const config = await readJson<{ clustseg: { sha256: string } }>(join(out, "config.json"));
  if (config?.clustseg.sha256 !== manifest.graph.sha256) {
    const args = ["-m", "clustseg.bundle.export_logits", "--bundle", directory, "--out", out];
    const hint = `${python} needs the package onnx; name another Python with --python`;
    await run(python, args, join(root, "training"), hint);
  }
  return { folder: dirname(out), name: manifest.name };
}

async function run(program: string, args: readonly string[], cwd: string, hint: string): Promise<void> {
  const child = spawn(program, args, { cwd, stdio: ["ignore", "inherit", "inherit"] });
  const status = await new Promise<string | number | null>((resolve) => {
    child.once("error", ({ message }) => resolve(message));
    child.once("exit", resolve);
  });
  if (status !== 0) throw new SetupError(`${program} ${args.join(" ")} ended with ${status}. ${hint}`);
}

async function readJson<T>(file: string): Promise<T | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}
