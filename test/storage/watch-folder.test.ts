import { appendFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FolderStore } from "../../layers/storage/folder-store.js";
import { watchFolder } from "../../layers/storage/watch-folder.js";
import { WholeFiles } from "../../layers/storage/whole-files.js";
import { temporaryFolder } from "./temporary-folder.js";

describe("a watched folder", () => {
  const watch = (folder: string, signal: AbortSignal) =>
    watchFolder({
      folder,
      uploads: new FolderStore(folder),
      exclude: [join(folder, "masks")],
      settleMs: 50,
      poll: false,
      signal,
    });

  it("gives the images that lie in it, then those that land, with the keys and etags of a listing, until the abort", async () => {
    const folder = temporaryFolder();
    await mkdir(join(folder, "masks"));
    for (const name of ["old.jpg", "notes.txt", "masks/other.jpg"]) await writeFile(join(folder, name), name);
    const stop = new AbortController();
    const seen: string[] = [];

    for await (const landed of watch(folder, stop.signal)) {
      for (const { key, etag } of landed) {
        seen.push(key);
        expect((await new FolderStore(folder).head(key))?.etag).toBe(etag);
      }
      if (seen.length > 1) stop.abort();
      else await mkdir(join(folder, "deep")).then(() => writeFile(join(folder, "deep", "new.png"), "new"));
    }

    expect(seen).toEqual(["old.jpg", "deep/new.png"]);
  });

  it("says so when it goes", async () => {
    const folder = join(temporaryFolder(), "inbox");
    await mkdir(folder);
    await writeFile(join(folder, "a.jpg"), "a");

    const watching = async () => {
      for await (const _ of watch(folder, new AbortController().signal)) await rm(folder, { recursive: true });
    };

    await expect(watching()).rejects.toMatchObject({ code: "STORE_READ_FAILED" });
  });
});

describe("a file that lands", () => {
  it("is whole when it has rested, and only then", async () => {
    const file = join(temporaryFolder(), "a.jpg");
    const files = new WholeFiles(1000);
    await writeFile(file, "1");
    const begun = Date.now();
    files.touch(file);

    const steps = [await files.settled(begun), await files.settled(begun + 900)];
    await appendFile(file, "2");
    files.touch(file);
    steps.push(await files.settled(begun + 1800), await files.settled(begun + 2700));
    const whole = await files.settled(begun + 2900);

    expect(steps).toEqual([[], [], [], []]);
    expect(whole).toEqual([file]);
    expect(files.pending).toBe(0);
  });

  it("is whole at once when it has lain there", async () => {
    const file = join(temporaryFolder(), "a.jpg");
    const files = new WholeFiles(1000);
    await writeFile(file, "1");

    files.touch(file);

    expect(await files.settled(Date.now() + 1500)).toEqual([file]);
  });

  it("is forgotten when it goes", async () => {
    const files = new WholeFiles(1000);

    files.touch(join(temporaryFolder(), "gone.jpg"));

    expect(await files.settled()).toEqual([]);
    expect(files.pending).toBe(0);
  });
});
