import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createServer } from "node:net";
import { resolve } from "node:path";

export const account = "123456789012";
export const region = "us-east-1";

/** Folder of this room's files, from the repository's root, where all of this is started. */
export const emulatorFolder = resolve("test/cloud/emulator");

export interface Moto {
  readonly port: number;
  stop(): void;
}

/**
 * Start moto's server with the changes of launch_moto.py.
 * @param frontPort port of the proxy, where moto's own clients go
 * @param timeScale waits of Step Functions are multiplied by it
 */
export async function startMoto(python: string, frontPort: number, timeScale: number, log: string): Promise<Moto> {
  const port = await freePort();
  const file = createWriteStream(log);
  const child: ChildProcess = spawn(
    python,
    [
      resolve(emulatorFolder, "launch_moto.py"),
      "--port",
      `${port}`,
      "--front",
      `${frontPort}`,
      "--time-scale",
      `${timeScale}`,
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  child.stderr?.pipe(file);
  await new Promise<void>((done, fail) => {
    child.stdout?.on("data", (text: Buffer) => {
      if (text.toString().includes("moto is ready")) done();
    });
    child.once("error", fail);
    child.once("exit", () => fail(new Error(`moto did not start; see ${log}`)));
  });
  return { port, stop: () => child.kill("SIGKILL") };
}

/** A request as moto wants it: the region and the service are read from the signature, which nobody verifies. */
export function unsigned(service: string, caller = "emulator"): Record<string, string> {
  return {
    authorization: `AWS4-HMAC-SHA256 Credential=${caller}/20250101/${region}/${service}/aws4_request, SignedHeaders=host, Signature=0`,
  };
}

/** What programs need in their environment to work against the emulator. */
export function awsEnvironment(endpoint: string, caller: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_ACCESS_KEY_ID: caller,
    AWS_SECRET_ACCESS_KEY: "emulator",
    AWS_EC2_METADATA_DISABLED: "true",
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}
