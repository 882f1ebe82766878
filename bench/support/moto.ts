import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { SetupError } from "./bench.js";

/** An S3 in Python (moto), in a process of its own: the SDK's own cost is real, S3's speed is not. */
export interface MotoS3 {
  readonly endpoint: string;
  stop(): void;
}

/** A client as the stages have it, that gives up at the first error: nothing is to be tried again here. */
export function motoClient(endpoint: string): S3Client {
  return new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: "bench", secretAccessKey: "bench" },
    maxAttempts: 1,
  });
}

const program = (port: number) =>
  `import logging; logging.getLogger("werkzeug").disabled = True
from moto.server import ThreadedMotoServer as S; import time
S(ip_address="127.0.0.1", port=${port}).start(); time.sleep(86400)`;

/**
 * @param buckets made in it
 * @throws SetupError when this Python has no moto
 */
export async function startMotoS3(python: string, buckets: readonly string[]): Promise<MotoS3> {
  const port = await freePort();
  const child = spawn(python, ["-c", program(port)], { stdio: "ignore" });
  let ended = false;
  child.once("error", () => {
    ended = true;
  });
  child.once("exit", () => {
    ended = true;
  });
  const endpoint = `http://127.0.0.1:${port}`;
  const client = motoClient(endpoint);
  const stop = () => child.kill("SIGKILL");
  const [first = "bucket", ...others] = buckets;
  for (let attempt = 0; ; attempt++) {
    try {
      await client.send(new CreateBucketCommand({ Bucket: first }));
      break;
    } catch {
      if (ended || attempt === 300) {
        stop();
        throw new SetupError(
          `${python} cannot start moto's server; install it with \`pip install "moto[server]"\`, name another Python with --python, or give --stores memory`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  for (const bucket of others) await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  return { endpoint, stop };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}
