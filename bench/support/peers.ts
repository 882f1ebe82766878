import { type PythonRun, startPython } from "./python.js";

interface Greeting {
  readonly python: string;
  readonly peers: readonly { readonly name: string; readonly package: string }[];
  readonly missing: readonly { readonly name: string; readonly package: string; readonly reason: string }[];
}

/** Other superpixel methods, in a Python process that stays: see peers/superpixels_server.py. */
export interface Peers extends Greeting {
  /** Raw interleaved RGB; the runs that follow are on this picture. */
  load(path: string, width: number, height: number): Promise<void>;
  run(peer: string, superpixels: number): Promise<PythonRun>;
  close(): Promise<void>;
}

/** @throws when Python cannot be started */
export async function startPeers(python: string, names: readonly string[]): Promise<Peers> {
  const { greeting, ask, close } = await startPython<Greeting>(python, "superpixels_server.py", [names.join(",")]);
  return {
    ...greeting,
    load: async (path, width, height) => {
      await ask({ load: { path, width, height } });
    },
    run: (peer, superpixels) => ask<PythonRun>({ run: { peer, superpixels } }),
    close,
  };
}
