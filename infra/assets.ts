import { existsSync } from "node:fs";
import path from "node:path";
import { ConfigError } from "./read-config.js";

/** The folders that `npm run build:cloud` makes and the stack deploys. */
export interface Assets {
  function(name: string): string;
  layer(name: "native" | "models"): string;
  /** The container's build context. */
  readonly segment: string;
}

/** @param root dist/cloud; anything laid out like it will do */
export function assetsIn(root: string): Assets {
  const find = (...names: string[]): string => {
    const folder = path.join(root, ...names);
    if (existsSync(folder)) return folder;
    throw new ConfigError(`There is no ${folder}, which is a part of what is deployed. Run npm run build:cloud.`);
  };
  return {
    function: (name) => find("functions", name),
    layer: (name) => find("layers", name),
    get segment() {
      return find("segment");
    },
  };
}
