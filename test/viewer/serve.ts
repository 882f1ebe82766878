import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll } from "vitest";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import { FolderStore } from "../../layers/storage/folder-store.js";
import { loadPage } from "../../layers/viewer/page-files.js";
import { startViewer, type Viewer } from "../../layers/viewer/server.js";
import type { OpenSource } from "../../layers/viewer/source-image.js";
import { ensureBuilt } from "../../scripts/build.mjs";
import type { SceneFolders } from "./scenes.js";

/** Folders for the tests of a `describe`, filled before them and removed after them. */
export function useFolders(fill: (folders: SceneFolders & { root: string }) => Promise<void>) {
  const root = mkdtempSync(path.join(tmpdir(), "clustseg-viewer-"));
  const folders = { root, images: path.join(root, "images"), results: path.join(root, "results") };
  beforeAll(() => fill(folders), 60_000);
  afterAll(() => rm(root, { recursive: true, force: true }));
  return folders;
}

export const folderSource: OpenSource = (uri) =>
  uri.startsWith("file:///") ? new FolderStore(fileURLToPath(uri), { uri }) : undefined;

/** The viewer's server for the tests of a `describe`, on results that may be filled later. */
export function useViewer(runs: () => readonly { readonly name: string; readonly results: ObjectStore }[]) {
  let viewer: Viewer | undefined;
  beforeAll(async () => {
    await ensureBuilt();
    viewer = await startViewer({
      runs: runs().map((run) => ({ ...run, openSource: folderSource })),
      page: await loadPage(),
    });
  }, 60_000);
  afterAll(() => viewer?.close());
  return {
    get url(): string {
      return viewer!.url;
    },
  };
}
