import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { imagesFor, photographs, pick, picturesIn } from "../../bench/support/images.js";

describe("the images of a bench", () => {
  let data = "";

  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), "clustseg-bench-test-"));
    vi.stubEnv("CLUSTSEG_DATA", data);
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(data, { recursive: true, force: true });
  });

  async function put(folder: string, names: readonly string[]): Promise<void> {
    await mkdir(join(data, folder), { recursive: true });
    await Promise.all(names.map((name) => writeFile(join(data, folder, name), "")));
  }

  it("are those of the bundle's own kind, in order, and no other files", async () => {
    await put("dsb2018/val/images", ["b.png", "a.PNG", "notes.txt"]);

    const { name, files } = await imagesFor("clustseg-nuclei");

    expect(name).toBe("DSB 2018 val");
    expect(files).toEqual(["a.PNG", "b.png"].map((file) => join(data, "dsb2018/val/images", file)));
  });

  it("are the examples without data, and for a bundle of somebody's own", async () => {
    const own = await imagesFor("my-bundle");
    vi.stubEnv("CLUSTSEG_DATA", undefined);
    const without = await photographs();

    expect(own.name).toBe("examples");
    expect(without).toEqual(own);
    expect(own.files.length).toBeGreaterThan(3);
  });

  it("are missed with a word on what the variable should name", async () => {
    await expect(photographs()).rejects.toThrow("$CLUSTSEG_DATA must be the folder that holds bsds500/test/images");
  });

  it("are called by their place in the data, never by where that lies", async () => {
    await put("some/set", ["a.jpg"]);

    const inside = await picturesIn(join(data, "some/set"));
    vi.stubEnv("CLUSTSEG_DATA", join(data, "other"));
    const outside = await picturesIn(join(data, "some/set"));

    expect(inside.name).toBe(join("some", "set"));
    expect(outside.name).toBe("set");
  });

  it("are picked evenly, and from the start again when there are too few", () => {
    const files = ["a", "b", "c", "d", "e", "f"];

    expect(pick(files, 3)).toEqual(["a", "c", "e"]);
    expect(pick(files, 6)).toEqual(files);
    expect(pick(["a", "b"], 5)).toEqual(["a", "b", "a", "b", "a"]);
  });
});
