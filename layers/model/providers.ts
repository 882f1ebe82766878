import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { ClustsegError } from "../segments/errors.js";
import { loadBundle } from "./bundle.js";
import { findBundle } from "./find-bundle.js";
import { type ExecutionProvider, openRunner } from "./runner.js";

export interface ProviderReport {
  readonly provider: ExecutionProvider;
  /** Was a session on the bundle's graph really opened with it? onnxruntime's list of back ends is no proof. */
  readonly works: boolean;
  /** Why not, and what to do; only when it does not work. */
  readonly reason?: string;
  readonly hint?: string;
}

/**
 * Opens the bundle's graph once with each execution provider, for `clustseg doctor`.
 * @throws ClustsegError MODEL_NOT_FOUND, MODEL_MANIFEST_INVALID, MODEL_DAMAGED
 */
export async function probeProviders(bundle?: string): Promise<ProviderReport[]> {
  const folder = await findBundle(bundle);
  await loadBundle(folder);
  const reports: ProviderReport[] = [];
  for (const provider of ["cpu", "cuda"] as const) reports.push(await probe(folder, provider));
  return reports;
}

async function probe(folder: string, provider: ExecutionProvider): Promise<ProviderReport> {
  try {
    const runner = await openRunner(async () => (await loadBundle(folder)).graph, {
      executionProviders: [provider],
      threads: 1,
    });
    await runner.close();
    return { provider, works: true };
  } catch (error) {
    const said = error instanceof ClustsegError ? error : undefined;
    const known = provider === "cuda" ? whyNoCuda() : undefined;
    const reason = known?.reason ?? said?.message ?? String(error);
    const hint = known?.hint ?? said?.hint ?? "Install the packages anew (npm ci).";
    return { provider, works: false, reason, hint };
  }
}

/** The usual reasons, most basic first; undefined if all that can be seen from here is in place. */
function whyNoCuda(): { reason: string; hint: string } | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") {
    return {
      reason: `onnxruntime-node has CUDA for linux/x64 only, and this is ${process.platform}/${process.arch}.`,
      hint: 'Use the execution provider "cpu".',
    };
  }
  if (!existsSync("/dev/nvidiactl") && !existsSync("/dev/dxg")) {
    return {
      reason: "No NVIDIA device is visible to this process.",
      hint: "Install the NVIDIA driver; in a container, start it with access to the GPU.",
    };
  }
  const library = "libonnxruntime_providers_cuda.so";
  const entry = createRequire(import.meta.url).resolve("onnxruntime-node");
  const binaries = path.join(path.dirname(entry), "..", "bin", "napi-v6", process.platform, process.arch);
  if (!existsSync(path.join(binaries, library))) {
    return {
      reason: `${library} is not installed: this project installs packages without running their scripts.`,
      hint: "Run onnxruntime-node's own install script with ONNXRUNTIME_NODE_INSTALL=cuda12, as the GPU image does.",
    };
  }
  return undefined;
}
