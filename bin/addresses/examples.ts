import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ClustsegError } from "../../layers/segments/errors.js";

/**
 * examples/images of this package: above this module, whether it is a source or bundled.
 * @throws ClustsegError SOURCE_NOT_FOUND
 */
export function examplesFolder(): string {
  for (let folder = path.dirname(fileURLToPath(import.meta.url)); ; folder = path.dirname(folder)) {
    const images = path.join(folder, "examples", "images");
    if (existsSync(images)) return images;
    if (path.dirname(folder) === folder) break;
  }
  throw new ClustsegError("SOURCE_NOT_FOUND", "the example images are not here", {
    hint: "They come with the repository. Try your own: clustseg segment <folder> --overlay",
  });
}
