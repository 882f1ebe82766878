import path from "node:path";
import { fileURLToPath } from "node:url";
import { findBundle } from "../layers/model/find-bundle.js";
import { type Model, type ModelOptions, openModel } from "../layers/model/open-model.js";
import type { Pipeline } from "../layers/pipeline/cloud-contracts.js";
import { ClustsegError } from "../layers/segments/errors.js";

/**
 * Open the model of a pipeline, and no other: what is in the folder must be the graph that the stack was deployed with.
 * @param folder of bundles; undefined: `models` beside the code
 * @throws ClustsegError MODEL_NOT_FOUND, MODEL_DAMAGED, MODEL_PROVIDER_UNAVAILABLE, …
 */
export async function openPipelineModel(
  { model: { name, version, sha256 } }: Pipeline,
  folder: string | undefined,
  options: ModelOptions,
): Promise<Model> {
  const models = folder ?? path.join(path.dirname(fileURLToPath(import.meta.url)), "models");
  const model = await openModel(await findBundle(path.join(models, name)), options);
  const { manifest } = model;
  if (manifest.version === version && manifest.graph.sha256 === sha256) return model;
  await model.close();
  throw new ClustsegError(
    "MODEL_DAMAGED",
    `${models} holds ${name}@${manifest.version}, not ${version} as was deployed`,
    {
      hint: "Deploy the stack and its models together.",
    },
  );
}
