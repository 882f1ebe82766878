import { availableParallelism } from "node:os";
import { type BundleManifest, loadManifest, type Task } from "../../layers/model/bundle.js";
import { findBundle, shippedBundles } from "../../layers/model/find-bundle.js";
import { openModel } from "../../layers/model/open-model.js";
import { chooseTask } from "../../layers/model/parameters.js";
import { asFormats } from "../../layers/model/result-files.js";
import { createSegmenter, readRequest } from "../../layers/model/segmenter.js";
import type { RunOptions } from "../../layers/pipeline/run.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { extraFormats, type WorkOptions } from "../commands/options.js";
import { processOwner } from "./process-owner.js";
import { parametersOf } from "./task-parameters.js";

/** A model that is open, and what a command line asks of it, as the pipeline takes it. */
export interface Work {
  readonly settings: Pick<RunOptions, "segmenter" | "task" | "parameters" | "formats" | "concurrency" | "owner">;
  close(): Promise<void>;
}

/**
 * Open the model that the options name, once it is known that it can do what they ask.
 * @throws ClustsegError FORMAT_UNKNOWN, FORMAT_UNSUITABLE, TASK_UNSUPPORTED, PARAMETER_INVALID, USAGE, MODEL_*
 */
export async function openWork(options: WorkOptions): Promise<Work> {
  const formats = extraFormats(options);
  asFormats(formats);
  const folder = await findBundle(options.model);
  const manifest = await loadManifest(folder);
  const task = await taskOf(options, manifest);
  // With the defaults filled in, asking for them by number gives the same results as not asking.
  const { parameters } = readRequest({ task, formats, parameters: parametersOf(options, task, manifest) }, manifest);
  const { threads, provider, concurrency = availableParallelism() + 2 } = options;
  const model = await openModel(folder, {
    executionProviders: [provider],
    // Many images: one thread an image, and as many images at once. On a GPU one worker feeds it.
    ...(provider === "cpu" ? { threads: 1, workers: threads ?? availableParallelism() } : threads && { threads }),
  });
  const segmenter = createSegmenter(model);
  const settings = { segmenter, task, parameters: { ...parameters }, formats, concurrency, owner: processOwner() };
  return { settings, close: () => model.close() };
}

/** The task asked for, or the model's first. When it is another model's, that one is named. */
async function taskOf({ task, model }: WorkOptions, manifest: BundleManifest): Promise<Task> {
  try {
    return chooseTask(manifest, task);
  } catch (cause) {
    const others = await modelsThatDo(task ?? "");
    if (!(cause instanceof ClustsegError) || others.length === 0) throw cause;
    const which = model === undefined ? "Name one that does" : "Others do";
    const hint = `It does: ${manifest.tasks.join(", ")}. ${which}: ${others.map((name) => `--model ${name}`).join(", ")}.`;
    throw new ClustsegError(cause.code, cause.message.replace(/\.$/, ""), { hint, cause });
  }
}

async function modelsThatDo(task: string): Promise<string[]> {
  const found: string[] = [];
  for (const [name, folder] of await shippedBundles()) {
    const tasks: readonly string[] = await loadManifest(folder).then(
      (manifest) => manifest.tasks,
      () => [],
    );
    if (tasks.includes(task)) found.push(name);
  }
  return found;
}
