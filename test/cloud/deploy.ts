import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { promisify } from "node:util";
import type { Emulator } from "./emulator/emulator.js";
import { account, emulatorFolder, region } from "./emulator/moto.js";

const execute = promisify(execFile);

/** `cdk bootstrap`, as a person does it once for an account. */
export async function bootstrap(emulator: Emulator): Promise<void> {
  // From a folder without cdk.json: there the app would be synthesised first.
  const folder = resolve(tmpdir(), "clustseg-bootstrap");
  mkdirSync(folder, { recursive: true });
  await cdk(emulator, ["bootstrap", `aws://${account}/${region}`], folder);
}

/**
 * `cdk deploy` of the stack as it is, with a configuration of the tests.
 * @param configuration a file in configurations/, by its name
 * @param output folder for the synthesised template
 */
export async function deploy(emulator: Emulator, configuration: string, output: string): Promise<void> {
  const config = resolve("test/cloud/configurations", `${configuration}.json`);
  await cdk(
    emulator,
    [
      ...["deploy", "--method", "direct", "--require-approval", "never", "--output", output],
      ...["-c", `config=${config}`],
    ],
    resolve("."),
  );
}

/** What `cdk` needs to take the emulator for AWS and its own builder for Docker. */
export function cdkEnvironment(emulator: Emulator): NodeJS.ProcessEnv {
  return {
    ...process.env,
    ...emulator.environment("deploy"),
    CDK_DOCKER: resolve(emulatorFolder, "docker-shim.mjs"),
    CDK_DISABLE_CLI_TELEMETRY: "true",
  };
}

async function cdk(emulator: Emulator, words: readonly string[], cwd: string): Promise<void> {
  try {
    await execute(resolve("node_modules/.bin/cdk"), [...words, "--no-notices"], {
      cwd,
      maxBuffer: 64 * 1024 ** 2,
      env: cdkEnvironment(emulator),
    });
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`cdk ${words[0]} failed:\n${stdout.slice(-4000)}\n${stderr.slice(-8000)}`);
  }
}
