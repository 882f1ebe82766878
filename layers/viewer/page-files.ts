import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ClustsegError } from "../segments/errors.js";

export interface PageFile {
  readonly type: string;
  readonly body: Uint8Array;
  readonly etag: string;
}

/** What the page consists of, as `scripts/build.mjs` leaves it in dist/viewer. */
const types: Readonly<Record<string, string>> = {
  "index.html": "text/html; charset=utf-8",
  "viewer.js": "text/javascript; charset=utf-8",
  "worker.js": "text/javascript; charset=utf-8",
  "viewer.css": "text/css; charset=utf-8",
  "icon.svg": "image/svg+xml",
};

/** The page's files by name. @throws ClustsegError INTERNAL when it has not been built */
export async function loadPage(): Promise<ReadonlyMap<string, PageFile>> {
  const folder = pageFolder();
  return new Map(
    await Promise.all(
      Object.entries(types).map(async ([name, type]) => {
        const body = await readFile(path.join(folder, name));
        return [name, { type, body, etag: createHash("sha256").update(body).digest("hex").slice(0, 32) }] as const;
      }),
    ),
  );
}

/** dist/viewer of this package: above this module, whether it is a source or bundled. */
function pageFolder(): string {
  for (let folder = path.dirname(fileURLToPath(import.meta.url)); ; folder = path.dirname(folder)) {
    const page = path.join(folder, "dist", "viewer");
    if (existsSync(path.join(page, "index.html"))) return page;
    if (path.dirname(folder) === folder) break;
  }
  throw new ClustsegError("INTERNAL", "the viewer's page is not here", {
    hint: "Build it: `npm run build` in a clone; an installed package carries it.",
  });
}
