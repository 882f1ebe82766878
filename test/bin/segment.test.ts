import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { clustseg, inProcess, jsonLines, photo, photos, start, workspace } from "./cli.js";

const few = ["--superpixels", "12"];

describe("clustseg segment", () => {
  it("segments a folder with all formats, and the second time skips, and with --force does it again", async () => {
    const cwd = await workspace();
    await photos(join(cwd, "in"), "a.jpg", "b/c.JPG");
    await writeFile(join(cwd, "in/notes.md"), "not an image");
    const args = ["segment", "in", ...few, "--formats", "segments,overlay,mean,csv,coco,geojson,palette"];

    const first = await clustseg(cwd, ...args);
    const made = await stat(join(cwd, "masks/a.jpg/segments.png"));
    const second = await inProcess(cwd, ...args, "--resume");
    const kept = await stat(join(cwd, "masks/a.jpg/segments.png"));
    const third = await inProcess(cwd, ...args, "--force");
    const remade = await stat(join(cwd, "masks/a.jpg/segments.png"));

    expect(first).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /b\/c\.JPG +48 x 32.*2 images, superpixel by clustseg-superpixel [\d.]+: 2 segmented/s,
      ),
    });
    expect((await readdir(join(cwd, "masks/b/c.JPG"))).sort()).toEqual([
      "mean.png",
      "metadata.json",
      "overlay.png",
      "palette.png",
      "segments.coco.json",
      "segments.csv",
      "segments.geojson",
      "segments.png",
    ]);
    const coco = JSON.parse(await readFile(join(cwd, "masks/b/c.JPG/segments.coco.json"), "utf8"));
    expect(coco.images).toEqual([{ id: 1, width: 48, height: 32, file_name: "b/c.JPG" }]);
    expect(second).toMatchObject({ code: 0, stdout: expect.stringContaining("all have their masks already") });
    expect(kept.mtimeMs).toBe(made.mtimeMs);
    expect(third).toMatchObject({ code: 0, stdout: expect.stringMatching(/2 images, .*: 2 segmented/) });
    expect(remade.mtimeMs).toBeGreaterThan(made.mtimeMs);
  });

  it("takes no results as images when they lie among them", async () => {
    const cwd = await workspace();
    await photos(cwd, "a.jpg", "old/b.jpg/overlay.png");

    await inProcess(cwd, "segment", ".", ...few, "--overlay");
    const { code, stdout } = await inProcess(cwd, "segment", ".", ...few, "--overlay", "--json");

    expect(code).toBe(0);
    expect(jsonLines(stdout).at(-1)).toMatchObject({ items: { total: 1, skipped: 1 } });
  });

  it("prints JSON lines and nothing else with --json", async () => {
    const cwd = await workspace();
    await photos(join(cwd, "in"), "a.jpg", "b.jpg");

    const { code, stdout, stderr } = await clustseg(cwd, "segment", "in", ...few, "--json");

    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = jsonLines(stdout);
    expect(lines.map(({ type }) => type)).toEqual(["item", "item", "report"]);
    expect(lines.at(-1)).toMatchObject({ items: { total: 2, segmented: 2 }, warnings: [] });
  });

  it("prints nothing with --quiet", async () => {
    const cwd = await workspace();
    await photos(cwd, "a.jpg");
    await writeFile(join(cwd, "bad.jpg"), "text");

    expect(await clustseg(cwd, "segment", "a.jpg", "bad.jpg", ...few, "--quiet")).toEqual({
      code: 1,
      stdout: "",
      stderr: "",
    });
  });

  it("segments a glob and a list alike, under paths below the folder that holds all", async () => {
    const cwd = await workspace();
    await photos(join(cwd, "in"), "x/a.jpg", "y/a.jpg", "y/b.png");
    await writeFile(join(cwd, "in/list.txt"), "x/a.jpg\r\ny/gone.jpg\n");

    const glob = await inProcess(cwd, "segment", "in/**/a.jpg", ...few, "--out", "o", "--json");
    const list = await inProcess(cwd, "segment", "in/list.txt", ...few, "--out", "o", "--json");

    expect(glob.code).toBe(0);
    expect((await readdir(join(cwd, "o"))).sort()).toEqual(["report.json", "reports", "x", "y"]);
    expect(list.code).toBe(1);
    expect(jsonLines(list.stdout).at(-1)).toMatchObject({
      items: { total: 2, skipped: 1, rejected: 1 },
      rejected_by_code: { OBJECT_NOT_FOUND: 1 },
    });
  });

  it("rejects what is no image, with a code, and its neighbours do not notice", async () => {
    const cwd = await workspace();
    await photos(join(cwd, "in"), "good.jpg");
    const whole = await photo(9, 200, 150);
    await writeFile(join(cwd, "in/text.jpg"), "I am a text");
    await writeFile(join(cwd, "in/empty.png"), "");
    await writeFile(join(cwd, "in/cut.jpg"), whole.subarray(0, whole.length / 2));
    await symlink("loop.jpg", join(cwd, "in/loop.jpg"));
    await symlink("..", join(cwd, "in/up"));

    const { code, stdout, stderr } = await clustseg(cwd, "segment", "in", ...few);

    expect(code).toBe(1);
    expect(stdout).toMatch(/^5 images, superpixel by clustseg-superpixel [\d.]+: 1 segmented, 4 rejected/m);
    expect(stderr).toMatch(/rejected text\.jpg: .*\[IMAGE_UNSUPPORTED\]/);
    expect(stderr).toMatch(/passed over .*up: .*\[OBJECT_/);
    const report = JSON.parse(await readFile(join(cwd, "masks/report.json"), "utf8"));
    expect(report.rejected_by_code).toEqual({
      IMAGE_EMPTY: 1,
      IMAGE_TRUNCATED: 1,
      IMAGE_UNSUPPORTED: 1,
      OBJECT_LINK_LOOP: 1,
    });
    expect((await readdir(join(cwd, "masks/good.jpg"))).sort()).toEqual(["metadata.json", "segments.png"]);
  });

  it("does not tell where the masks are when there are none", async () => {
    const cwd = await workspace();
    await mkdir(join(cwd, "in"));
    await writeFile(join(cwd, "in/text.jpg"), "I am a text");

    const { code, stdout } = await inProcess(cwd, "segment", "in", "--overlay");

    expect(code).toBe(1);
    expect(stdout).toMatch(/: 0 segmented, 1 rejected, in .*\nreport {2}masks\/report\.json\n$/);
  });

  it("takes odd names, and prints them so that they harm no terminal", async () => {
    const cwd = await workspace();
    const names = ["a b.jpg", "grüße 猫.jpg", "1+1.jpg", "a%2Fb.jpg", "..name.jpg", "new\nline\u001b[31m.jpg"];
    const longest = `${"x".repeat(251)}.jpg`;
    await photos(join(cwd, "in"), ...names, longest);

    const { code, stdout, stderr } = await clustseg(cwd, "segment", "in", ...few);

    expect(code).toBe(0);
    expect(stdout).toContain("new\\nline\\u001b[31m.jpg");
    expect(stdout + stderr).not.toContain("\u001b");
    for (const name of [...names, longest]) {
      expect(await readdir(join(cwd, "masks", name))).toContain("segments.png");
    }
  });

  it.skipIf(process.getuid?.() === 0)("rejects an image that may not be read", async () => {
    const cwd = await workspace();
    await photos(join(cwd, "in"), "a.jpg");
    await writeFile(join(cwd, "in/secret.jpg"), await photo(), { mode: 0o000 });

    const { code, stdout } = await clustseg(cwd, "segment", "in", ...few, "--json");

    expect(code).toBe(1);
    expect(jsonLines(stdout).at(-1)).toMatchObject({ rejected_by_code: { OBJECT_UNREADABLE: 1 } });
  });

  it("gives no more superpixels than there are pixels", async () => {
    const cwd = await workspace();
    await writeFile(join(cwd, "tiny.png"), await photo(1, 5, 4));

    const { code, stdout } = await inProcess(
      cwd,
      "segment",
      "tiny.png",
      "--superpixels",
      "1000",
      "--out",
      "o",
      "--json",
    );
    const inspected = await inProcess(cwd, "inspect", "o/tiny.png", "--json");

    expect(code).toBe(0);
    const notes = [expect.stringContaining("there is room for 20")];
    expect(jsonLines(stdout)[0]).toMatchObject({ type: "item", notes });
    expect(JSON.parse(inspected.stdout)).toMatchObject({ notes, frame: { width: 5, height: 4 } });
    const metadata = JSON.parse(await readFile(join(cwd, "o/tiny.png/metadata.json"), "utf8"));
    expect(metadata.segments).toBeLessThanOrEqual(20);
    expect(metadata.frame.notes).toEqual(notes);
  });

  it("makes a mask that was deleted again, and says where overlays are", async () => {
    const cwd = await workspace();
    await photos(cwd, "a.jpg", "b.jpg");
    const args = ["segment", "a.jpg", "b.jpg", ...few, "--overlay"];
    const first = await inProcess(cwd, ...args);
    await rm(join(cwd, "masks/a.jpg/segments.png"));

    const inspected = await inProcess(cwd, "inspect", "masks/a.jpg");
    const second = await inProcess(cwd, ...args);

    expect(first.stdout).toMatch(/^overlays +masks\/<image>\/overlay\.png$/m);
    expect(inspected).toMatchObject({ code: 1, stdout: expect.stringContaining("--force") });
    expect(second.stdout).toMatch(/2 images, .*: 1 segmented, 1 skipped/);
    expect((await stat(join(cwd, "masks/a.jpg/segments.png"))).size).toBeGreaterThan(0);
  });

  it("leaves no folder behind for a source without images, and none of its own for others", async () => {
    const cwd = await workspace();
    await photos(join(cwd, "in"), "a.jpg");
    await mkdir(join(cwd, "none"));

    const none = await inProcess(cwd, "segment", "none", ...few, "--out", "o");
    expect(none.stderr).toContain("[SOURCE_EMPTY]");
    expect(existsSync(join(cwd, "o"))).toBe(false);

    await inProcess(cwd, "segment", "in", ...few, "--out", "o");
    expect(await readdir(join(cwd, "o"))).not.toContain(".clustseg");
  });

  it.runIf(process.platform === "linux")("rejects a name that is not UTF-8, with a hint", async () => {
    const cwd = await workspace();
    await photos(join(cwd, "in"), "a.jpg");
    await writeFile(Buffer.concat([Buffer.from(`${cwd}/in/caf`), Buffer.from([0xe9]), Buffer.from(".jpg")]), "x");

    const { code, stderr } = await inProcess(cwd, "segment", "in", ...few);

    expect(code).toBe(1);
    expect(stderr).toMatch(/not UTF-8.*\[OBJECT_KEY_INVALID\]\. Rename it/);
  });

  it("stops when more images are rejected than --max-failures allows", async () => {
    const cwd = await workspace();
    await mkdir(join(cwd, "in"));
    for (const name of ["a", "b", "c"]) await writeFile(join(cwd, `in/${name}.jpg`), "text");

    const { code, stdout } = await inProcess(cwd, "segment", "in", "--max-failures", "1", "--json");

    expect(code).toBe(3);
    expect(jsonLines(stdout).at(-1)).toMatchObject({ type: "error", code: "RUN_FAILURE_BUDGET" });
  });

  it("stops cleanly at SIGINT, and the same command goes on to the same results", async () => {
    const cwd = await workspace();
    const names = Array.from({ length: 30 }, (_, i) => `${i}.jpg`);
    await photos(join(cwd, "in"), ...names);
    const args = ["segment", "in", "--superpixels", "200", "--concurrency", "1", "--json"];

    const first = start(cwd, ...args);
    await first.until('"type":"item"');
    first.child.kill("SIGINT");
    const stopped = await first.ended;
    const resumed = await clustseg(cwd, ...args);

    expect(stopped.code).toBe(3);
    expect(stopped.stderr).toMatch(/goes on where it was/);
    const before = jsonLines(stopped.stdout).find(({ type }) => type === "report") as unknown as Report;
    expect(before.status).toBe("cancelled");
    expect(before.items.segmented).toBeGreaterThan(0);
    expect(before.items.pending).toBeGreaterThan(0);
    expect(resumed.code).toBe(0);
    const items = jsonLines(resumed.stdout).filter(({ type }) => type === "item");
    expect(items).toHaveLength(before.items.pending);
    for (const name of names) expect(await readdir(join(cwd, "masks", name))).toContain("metadata.json");
  }, 60_000);
});

describe("clustseg segment that nobody waits for any more", () => {
  const names = Array.from({ length: 30 }, (_, i) => `${i}.jpg`);
  const args = ["segment", "in", "--superpixels", "400", "--concurrency", "2", "--json"];
  /** Large enough that the graph runs when the end comes. */
  const fill = async (cwd: string) => {
    await mkdir(join(cwd, "in"));
    for (const [shade, name] of names.entries()) await writeFile(join(cwd, "in", name), await photo(shade, 480, 320));
  };

  it("stops cleanly when its output is read no further, and goes on later", async () => {
    const cwd = await workspace();
    await fill(cwd);

    const first = start(cwd, ...args);
    await first.until('"type":"item"');
    first.child.stdout!.destroy();
    const { code, stderr } = await first.ended;
    const resumed = await clustseg(cwd, ...args);

    expect({ code, signal: first.child.signalCode }).toEqual({ code: 3, signal: null });
    expect(stderr).toContain("[RUN_CANCELLED]");
    expect(stderr).not.toContain("terminate called");
    expect(resumed.code).toBe(0);
    expect(jsonLines(resumed.stdout).at(-1)).toMatchObject({ items: { total: 30, pending: 0, rejected: 0 } });
    expect(jsonLines(resumed.stdout).filter(({ type }) => type === "item").length).toBeGreaterThan(0);
  }, 60_000);

  it.skipIf(process.platform === "win32")(
    "ends by the second signal itself",
    async () => {
      const cwd = await workspace();
      await fill(cwd);

      const run = start(cwd, ...args);
      await run.until('"type":"item"');
      run.child.kill("SIGINT");
      await run.until("once more to stop at once");
      run.child.kill("SIGTERM");
      const { stderr } = await run.ended;

      expect(run.child.signalCode).toBe("SIGTERM");
      expect(stderr).not.toContain("terminate called");
    },
    60_000,
  );
});

describe("a second clustseg segment of the same images", () => {
  it("is refused while the first runs, and goes on at once when the first was killed", async () => {
    const cwd = await workspace();
    await photos(join(cwd, "in"), ...Array.from({ length: 40 }, (_, i) => `${i}.jpg`));
    const args = ["segment", "in", "--superpixels", "200", "--concurrency", "1", "--json"];

    const first = start(cwd, ...args);
    await first.until('"type":"item"');
    // Stopped, so that it cannot end before the second is there.
    first.child.kill("SIGSTOP");
    const second = await inProcess(cwd, ...args);
    first.child.kill("SIGKILL");
    await first.ended;
    const third = await inProcess(cwd, ...args);

    expect(second).toMatchObject({ code: 3, stderr: expect.stringContaining("[RUN_CONFLICT]") });
    expect(second.stderr).toContain(`pid ${first.child.pid}`);
    expect(third.code).toBe(0);
    expect(jsonLines(third.stdout).at(-1)).toMatchObject({ items: { total: 40, rejected: 0, pending: 0 } });
    expect(await readdir(join(cwd, "masks"))).not.toContain(".clustseg");
  }, 60_000);
});

interface Report {
  readonly status: string;
  readonly items: { readonly segmented: number; readonly pending: number };
}
