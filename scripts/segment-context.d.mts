/** Bundles the worker into `outdir`: segment.js, worker.js, check-libraries.js. */
export function bundleSegmentWorker(outdir: string): Promise<void>;
export function writeSegmentContext(
  out: string,
  bundles: readonly string[],
  options?: { readonly cudaProvider?: string },
): Promise<void>;
