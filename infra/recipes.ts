import path from "node:path";
import { type BundleManifest, loadManifest } from "../layers/model/bundle.js";
import { chooseTask, completeParameters } from "../layers/model/parameters.js";
import { asFormats } from "../layers/model/result-files.js";
import { ClustsegError } from "../layers/segments/errors.js";
import type { PipelineConfig } from "./config.js";
import { ConfigError } from "./read-config.js";

/** A pipeline with everything that decides about its results written out, as functions and container are given it. */
export interface Recipe {
  readonly name: string;
  readonly model: Pick<BundleManifest, "name" | "version" | "tasks"> & { readonly sha256: string };
  readonly task: string;
  readonly parameters: Readonly<Record<string, number>>;
  readonly formats: readonly string[];
}

/**
 * Looks each pipeline's model up and fills in what the pipeline leaves to it.
 * @param models the folder that holds the bundles
 * @throws ConfigError for a model that is not there, a task it does not do, and two pipelines that would do the same
 */
export async function resolveRecipes(pipelines: readonly PipelineConfig[], models: string): Promise<readonly Recipe[]> {
  const recipes = await Promise.all(pipelines.map((pipeline, index) => resolveRecipe(pipeline, index, models)));
  const seen = new Map<string, string>();
  for (const { name, ...recipe } of recipes) {
    const same = JSON.stringify(recipe);
    const other = seen.get(same);
    if (other !== undefined) {
      throw new ConfigError(
        `pipelines: "${name}" does the same as "${other}", and every image would be paid for twice. Remove one of them.`,
      );
    }
    seen.set(same, name);
  }
  return recipes;
}

async function resolveRecipe(pipeline: PipelineConfig, index: number, models: string): Promise<Recipe> {
  try {
    const { name, version, tasks, graph, defaults } = await loadManifest(path.join(models, pipeline.model));
    const task = chooseTask({ name, tasks }, pipeline.task);
    const parameters = completeParameters(task, pipeline.parameters ?? {}, { graph, defaults });
    return {
      name: pipeline.name,
      model: { name, version, sha256: graph.sha256, tasks },
      task,
      parameters: Object.fromEntries(Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1))),
      formats: [...asFormats(pipeline.formats)].sort(),
    };
  } catch (error) {
    if (!(error instanceof ClustsegError)) throw error;
    throw new ConfigError(`pipelines[${index}] ("${pipeline.name}"): ${error.message} ${error.hint}`);
  }
}
