import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ClustsegError } from "../segments/errors.js";

/** The bundle that is used when none is named. */
export const defaultBundle = "clustseg-superpixel";

/** The folder `models` of this package: the nearest one above this module, whether it is a source or bundled in dist/. */
function modelsFolder(): string | undefined {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const models = path.join(folder, "models");
    if (existsSync(models) && existsSync(path.join(folder, "package.json"))) return models;
    const parent = path.dirname(folder);
    if (parent === folder) return undefined;
    folder = parent;
  }
}

/** Folders of the bundles that ship, by name, sorted. */
export async function shippedBundles(): Promise<ReadonlyMap<string, string>> {
  const models = modelsFolder();
  if (models === undefined) return new Map();
  const names = (await readdir(models)).filter((name) => existsSync(path.join(models, name, "model.json")));
  return new Map(names.sort().map((name) => [name, path.join(models, name)]));
}

/**
 * The folder of a bundle.
 * @param nameOrFolder the name of one that ships, or a path. What holds a model.json as a path is taken as a path.
 * @throws ClustsegError MODEL_NOT_FOUND
 */
export async function findBundle(nameOrFolder: string = defaultBundle): Promise<string> {
  const shipped = await shippedBundles();
  const isPath = existsSync(path.join(nameOrFolder, "model.json"));
  const folder = isPath ? nameOrFolder : shipped.get(nameOrFolder);
  if (folder !== undefined) return folder;
  const names = [...shipped.keys()].join(", ") || "none";
  throw new ClustsegError(
    "MODEL_NOT_FOUND",
    `There is no model called "${nameOrFolder}", and no bundle at that path.`,
    {
      hint: `Give a folder that holds model.json, or one of the models that ship: ${names}.`,
    },
  );
}
