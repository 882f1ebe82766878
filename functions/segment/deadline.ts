import { cancelled } from "../../layers/pipeline/plan.js";
import type { ObjectStore, Segmenter } from "../../layers/pipeline/ports.js";

/**
 * The same segmenter and uploads, that give up when `overdue` is aborted: an image that is fetched or segmented then ends with
 * RUN_CANCELLED, which is no image's outcome. So segmentShard saves what is finished, and a later call begins with the others.
 */
export function withDeadline<T extends { readonly segmenter: Segmenter; readonly uploads: ObjectStore }>(
  ports: T,
  overdue: AbortSignal,
): { readonly segmenter: Segmenter; readonly uploads: ObjectStore } {
  const { segmenter, uploads } = ports;
  return {
    segmenter: {
      model: segmenter.model,
      process: (bytes, request) => unless(overdue, () => segmenter.process(bytes, request)),
    },
    uploads: {
      uri: uploads.uri,
      head: (key) => uploads.head(key),
      get: (key, options) => unless(overdue, () => uploads.get(key, options)),
      lines: (key) => uploads.lines(key),
      put: (key, body, options) => uploads.put(key, body, options),
      putLines: (key, lines) => uploads.putLines(key, lines),
      list: (prefix) => uploads.list(prefix),
      delete: (key) => uploads.delete(key),
    },
  };
}

/** What `work` comes to, or RUN_CANCELLED as soon as `overdue` is aborted; then `work` goes on, and nobody waits for it. */
async function unless<T>(overdue: AbortSignal, work: () => Promise<T>): Promise<T> {
  if (overdue.aborted) throw cancelled();
  let giveUp = (): void => {};
  const given = new Promise<never>((_, reject) => {
    giveUp = () => reject(cancelled());
    overdue.addEventListener("abort", giveUp, { once: true });
  });
  try {
    return await Promise.race([work(), given]);
  } finally {
    overdue.removeEventListener("abort", giveUp);
  }
}
