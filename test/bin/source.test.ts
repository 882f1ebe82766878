import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { openSource } from "../../bin/addresses/source.js";
import { workspace } from "./cli.js";

/** Empty files, and the keys that sources make of them. */
async function keysOf(files: readonly string[], sources: readonly string[], lists: Record<string, string> = {}) {
  const cwd = await workspace();
  for (const file of files) {
    await mkdir(join(cwd, file, ".."), { recursive: true });
    await writeFile(join(cwd, file), "");
  }
  for (const [name, text] of Object.entries(lists)) await writeFile(join(cwd, name), text.replaceAll("$CWD", cwd));
  const { uploads, intake } = await openSource(
    sources.map((source) => source.replaceAll("$CWD", cwd)),
    { cwd, out: "masks" },
  );
  const base = uploads.uri.slice(pathToFileURL(cwd).href.length).replace(/^\//, "");
  if (intake.kind === "prefix") return { base, prefix: intake.prefix };
  if (intake.kind !== "keys") throw new Error("events");
  const keys: string[] = [];
  for await (const key of intake.keys) keys.push(key);
  return { base, keys: keys.sort() };
}

describe("a source", () => {
  it("that is a folder is listed as it is", async () => {
    expect(await keysOf(["in/a.jpg"], ["in"])).toEqual({ base: "in", prefix: "" });
  });

  it("that is a file has the file's name as its key, wherever it lies and whatever it is called", async () => {
    expect(await keysOf(["x/y/a.dat"], ["$CWD/x/y/a.dat"])).toEqual({ base: "x/y", keys: ["a.dat"] });
  });

  it("of several files has keys below the deepest folder that holds them", async () => {
    const files = ["x/p/a.jpg", "x/q/a.jpg", "x/q/r/b.jpg"];

    expect(await keysOf(files, files)).toEqual({ base: "x", keys: ["p/a.jpg", "q/a.jpg", "q/r/b.jpg"] });
  });

  it("of folders and files takes the images of the folders", async () => {
    const files = ["cats/1.jpg", "cats/readme.md", "cats/masks/1.jpg/segments.png", "dogs/2.PNG", "c"];

    expect(await keysOf(files, ["cats", "dogs", "c"])).toEqual({ base: "", keys: ["c", "cats/1.jpg", "dogs/2.PNG"] });
  });

  it("that is a glob takes images only, below the part that is fixed, and neither results nor the output", async () => {
    const files = ["in/a/1.jpg", "in/a/b/2.jpeg", "in/3.txt", "masks/4.jpg", "old/1.jpg/overlay.png"];

    expect(await keysOf(files, ["in/**"])).toEqual({ base: "in", keys: ["a/1.jpg", "a/b/2.jpeg"] });
    expect(await keysOf(files, ["$CWD/in/*/*.jpg"])).toEqual({ base: "in", keys: ["a/1.jpg"] });
    expect(await keysOf(files, ["**/*"])).toEqual({ base: "", keys: ["in/a/1.jpg", "in/a/b/2.jpeg"] });
  });

  it("is a name before it is a glob", async () => {
    expect(await keysOf(["a[1].jpg", "a1.jpg"], ["a[1].jpg"])).toEqual({ base: "", keys: ["a[1].jpg"] });
  });

  it("that is a list has paths relative to the list, and may name what is elsewhere", async () => {
    const inside = { "in/list.txt": "\ufeffa b.jpg\r\n\nsub/c\n" };
    const outside = { "in/list.txt": "a.jpg\n../other/b.jpg\n$CWD/c.jpg" };

    expect(await keysOf(["in/x"], ["in/list.txt"], inside)).toEqual({ base: "in", keys: ["a b.jpg", "sub/c"] });
    expect(await keysOf(["in/x"], ["in/list.txt"], outside)).toEqual({
      base: "",
      keys: ["c.jpg", "in/a.jpg", "other/b.jpg"],
    });
  });

  it.each([
    ["an image that is called .txt", { "list.txt": "\0\u0001" }, "SOURCE_LIST_INVALID"],
    ["an empty list", { "list.txt": "\n\r\n" }, "SOURCE_EMPTY"],
    ["a list of a bucket's objects", { "list.txt": "s3://bucket/a.jpg" }, "SOURCE_LIST_INVALID"],
  ])("is refused if it is %s", async (_, lists, code) => {
    await expect(keysOf([], ["list.txt"], lists)).rejects.toMatchObject({ code });
  });

  it.each([
    ["nothing matches", ["in/*.png"], "SOURCE_NOT_FOUND"],
    ["no image matches", ["in/*.md"], "SOURCE_EMPTY"],
    ["it is not there", ["in/gone.jpg"], "SOURCE_NOT_FOUND"],
    ["it mixes a bucket with files", ["in", "s3://bucket/x"], "USAGE"],
  ])("is refused if %s", async (_, sources, code) => {
    await expect(keysOf(["in/a.jpg", "in/b.md"], sources)).rejects.toMatchObject({ code });
  });

  it("follows a link out of its folder when a person named it", async () => {
    const cwd = await workspace();
    await mkdir(join(cwd, "real"));
    await mkdir(join(cwd, "in"));
    await writeFile(join(cwd, "real/a.jpg"), "x");
    await symlink("../real/a.jpg", join(cwd, "in/link.jpg"));

    const { uploads } = await openSource(["in/link.jpg"], { cwd, out: "masks" });

    expect((await uploads.get("a.jpg")).body.length).toBe(1);
  });
});
