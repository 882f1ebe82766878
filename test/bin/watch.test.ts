import { appendFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { inProcess, jsonLines, photo, photos, start, workspace } from "./cli.js";

describe("clustseg watch", () => {
  it("segments what lies there and what lands, a slowly written file once and whole, until SIGINT", async () => {
    const cwd = await workspace();
    await photos(join(cwd, "in"), "old.jpg");
    const bytes = await photo(5, 160, 120);
    const watching = start(cwd, "watch", "in", "--superpixels", "12", "--settle", "0.6", "--json");
    await watching.until('"key":"old.jpg"');

    await mkdir(join(cwd, "in/new"));
    await writeFile(join(cwd, "in/new/.tmp"), "not an image");
    for (let at = 0; at < bytes.length; at += bytes.length / 5) {
      await appendFile(join(cwd, "in/new/slow.jpg"), bytes.subarray(at, at + bytes.length / 5));
      await wait(150);
    }
    await watching.until('"key":"new/slow.jpg"');
    await photos(join(cwd, "in"), "other.jpg");
    await watching.until('"key":"other.jpg"');
    watching.child.kill("SIGINT");
    const { code, stdout } = await watching.ended;
    const again = await inProcess(cwd, "segment", "in", "--superpixels", "12", "--json");

    expect(code).toBe(0);
    const items = jsonLines(stdout).filter(({ type }) => type === "item");
    expect(items.map(({ key, status }) => `${key} ${status}`)).toEqual([
      "old.jpg segmented",
      "new/slow.jpg segmented",
      "other.jpg segmented",
    ]);
    expect(await readdir(join(cwd, "masks/new/slow.jpg"))).toContain("metadata.json");
    expect(jsonLines(again.stdout).at(-1)).toMatchObject({ items: { total: 3, skipped: 3 } });
  }, 60_000);

  it("tells of a rejected image and goes on; one that is mended is segmented; it ends with 1", async () => {
    const cwd = await workspace();
    await mkdir(join(cwd, "in"));
    await writeFile(join(cwd, "in/a.jpg"), "not yet");
    const watching = start(cwd, "watch", "in", "--superpixels", "12", "--settle", "0.2");

    await watching.until("rejected a.jpg");
    await photos(join(cwd, "in"), "a.jpg");
    await watching.until("a.jpg  48 x 32");
    watching.child.kill("SIGTERM");
    const { code, stderr } = await watching.ended;

    expect(code).toBe(1);
    expect(stderr).toContain("1 image segmented, 1 rejected");
  });

  it("refuses what is no folder", async () => {
    const cwd = await workspace();
    await photos(cwd, "a.jpg");

    expect(await inProcess(cwd, "watch", "a.jpg")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("[USAGE]"),
    });
  });
});
