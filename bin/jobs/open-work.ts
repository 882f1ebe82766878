import { availableParallelism } from "node:os";
import { openModel } from "../../layers/model/open-model.js";
import { resultFormats } from "../../layers/model/result-files.js";
import { createSegmenter } from "../../layers/model/segmenter.js";
import { completeParameters } from "../../layers/model/superpixels.js";
import type { RunOptions } from "../../layers/pipeline/run.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { extraFormats, type WorkOptions } from "../commands/options.js";
import { processOwner } from "./process-owner.js";

/** A model that is open, and what a command line asks of it, as the pipeline takes it. */
export interface Work {
  readonly settings: Pick<RunOptions, "segmenter" | "task" | "parameters" | "formats" | "concurrency" | "owner">;
  close(): Promise<void>;
}

/**
 * Open the model that the options name.
 * @throws ClustsegError FORMAT_UNKNOWN, TASK_UNSUPPORTED, PARAMETER_INVALID, MODEL_*
 */
export async function openWork(options: WorkOptions): Promise<Work> {
  const formats = extraFormats(options);
  const unknown = formats.find((format) => !Object.hasOwn(resultFormats, format));
  if (unknown !== undefined) {
    throw new ClustsegError("FORMAT_UNKNOWN", `there is no format called "${unknown}"`, {
      hint: `Formats are segments (always made), ${Object.keys(resultFormats).join(", ")}.`,
    });
  }
  const { task, threads, provider, concurrency = availableParallelism() + 2 } = options;
  const model = await openModel(options.model, {
    executionProviders: [provider],
    // Many images: one thread an image, and as many images at once. On a GPU one worker feeds it.
    ...(provider === "cpu" ? { threads: 1, workers: threads ?? availableParallelism() } : threads && { threads }),
  });
  try {
    const { name, tasks } = model.manifest;
    if (!tasks.some((known) => known === task)) {
      throw new ClustsegError("TASK_UNSUPPORTED", `the model ${name} does not do the task "${task}"`, {
        hint: `It does: ${tasks.join(", ")}. \`clustseg models\` lists the models there are.`,
      });
    }
    // With the defaults filled in, asking for them by number gives the same results as not asking.
    const parameters = { ...completeParameters({ superpixels: options.superpixels }, model.manifest) };
    const owner = processOwner();
    const settings = { segmenter: createSegmenter(model), task, parameters, formats, concurrency, owner };
    return { settings, close: () => model.close() };
  } catch (error) {
    await model.close();
    throw error;
  }
}
