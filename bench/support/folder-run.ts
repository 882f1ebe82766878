import { join } from "node:path";
import type { RunReport } from "../../layers/pipeline/contracts.js";
import type { Segmenter } from "../../layers/pipeline/ports.js";
import { runPipeline } from "../../layers/pipeline/run.js";
import type { RunEvent } from "../../layers/pipeline/run-events.js";
import { FolderStore } from "../../layers/storage/folder-store.js";
import type { Asked } from "./model.js";

export interface FolderRun {
  readonly source: string;
  readonly out: string;
  readonly segmenter: Segmenter;
  readonly asked: Asked;
  readonly formats?: readonly string[];
  /** @default the pipeline's */
  readonly concurrency?: number;
  readonly onEvent?: (event: RunEvent) => void;
}

/** From folder to folder, with the stores of the command line. @throws when an image was rejected: its time would not count. */
export async function runFolder(run: FolderRun): Promise<RunReport> {
  const { source, out, segmenter, asked, formats = [], concurrency, onEvent } = run;
  const { report } = await runPipeline({
    stores: {
      uploads: new FolderStore(source),
      staging: new FolderStore(join(out, ".clustseg")),
      results: new FolderStore(out),
    },
    segmenter,
    source: { kind: "prefix", prefix: "" },
    ...asked,
    formats,
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(onEvent === undefined ? {} : { onEvent }),
  });
  if (report.items.segmented !== report.items.total) {
    throw new Error(`${report.items.rejected} images were rejected: ${JSON.stringify(report.rejected_by_code)}`);
  }
  return report;
}
