import { ClustsegError } from "../segments/errors.js";
import { loadBundle } from "./bundle.js";
import { whyNoCuda } from "./cuda.js";
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
    const known = provider === "cuda" ? whyNoCuda() : undefined;
    const said = error instanceof ClustsegError ? error : undefined;
    const reason = known?.reason ?? said?.message ?? String(error);
    const hint = known?.hint ?? said?.hint ?? "Install the packages anew (npm ci).";
    return { provider, works: false, reason, hint };
  }
}
