import { type ChildProcessByStdio, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { SetupError } from "./bench.js";
import { root } from "./result.js";

export interface PeerRun {
  readonly ms: number;
  /** Of all threads of the Python process. */
  readonly cpu_ms: number;
  readonly segments: number;
}

interface Greeting {
  readonly python: string;
  readonly peers: readonly { readonly name: string; readonly package: string }[];
  readonly missing: readonly { readonly name: string; readonly package: string; readonly reason: string }[];
}

/** A Python process that stays, see peers_server.py. */
export interface Peers extends Greeting {
  /** Raw interleaved RGB; the runs that follow are on this picture. */
  load(path: string, width: number, height: number): Promise<void>;
  run(peer: string, superpixels: number): Promise<PeerRun>;
  close(): Promise<void>;
}

/** @throws when Python cannot be started */
export async function startPeers(python: string, names: readonly string[]): Promise<Peers> {
  const script = join(root, "bench", "peers_server.py");
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(python, [script, names.join(",")], {
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
  const ask = async <T>(request: object): Promise<T> => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    return reply<T>();
  };
  const greeting = await reply<Greeting>();
  return {
    ...greeting,
    load: async (path, width, height) => {
      await ask({ load: { path, width, height } });
    },
    run: (peer, superpixels) => ask<PeerRun>({ run: { peer, superpixels } }),
    close: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
