import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { encodeClaim } from "../../layers/pipeline/claim.js";
import { clustseg, inProcess, jsonLines, photos, root, sharedWorkspace, workspace } from "./cli.js";

describe("clustseg inspect", () => {
  const cwd = sharedWorkspace(async (cwd) => {
    await photos(join(cwd, "in"), "a.jpg", "b.jpg");
    await clustseg(cwd, "segment", "in", "--superpixels", "12", "--overlay", "--quiet");
  });

  it("tells what a result is, by its folder or its metadata.json", async () => {
    const byFolder = await inProcess(cwd, "inspect", "masks/a.jpg");
    const byFile = await inProcess(cwd, "inspect", "masks/a.jpg/metadata.json", "--json");

    expect(byFolder.code).toBe(0);
    expect(byFolder.stdout).toMatch(/frame +48 x 32 pixels/);
    expect(byFolder.stdout).toMatch(/model +clustseg-superpixel/);
    expect(byFolder.stdout).not.toContain("BAD");
    const { biggest, segments, checks } = JSON.parse(byFile.stdout);
    expect(biggest).toHaveLength(5);
    expect(biggest[0].area).toBeGreaterThanOrEqual(biggest[1].area);
    expect(segments).toBeGreaterThan(5);
    expect(checks).toHaveLength(5);
  });

  it("finds ids that do not agree with metadata.json, and files that are missing", async () => {
    const file = join(cwd, "masks/b.jpg/segments.png");
    const flat = sharp({ create: { width: 48, height: 32, channels: 3, background: "#010101" } });
    await writeFile(file, await flat.toColourspace("b-w").png().toBuffer());

    const { code, stdout } = await inProcess(cwd, "inspect", "masks/b.jpg");

    expect(code).toBe(1);
    expect(stdout).toMatch(/BAD the number of segments agrees: 1 instead of/);
    expect(stdout).toMatch(/BAD areas and boxes agree: segment 1 has 1536 pixels/);
    expect(stdout).toMatch(/BAD all files are there, with their sizes: segments\.png has/);
  });
});

describe("clustseg inspect of a result that is being written", () => {
  it("says so, and that the same command will do", async () => {
    const cwd = await workspace();
    await mkdir(join(cwd, "masks/a.jpg"), { recursive: true });
    const claim = encodeClaim({ result_id: "0".repeat(32), at: "2026-01-01T00:00:00.000Z", fresh: true });
    await writeFile(join(cwd, "masks/a.jpg/metadata.json"), claim);

    const { code, stderr } = await inProcess(cwd, "inspect", "masks/a.jpg");

    expect(code).toBe(2);
    expect(stderr).toMatch(/being written just now \[RESULT_NOT_FOUND\][\s\S]*in a moment/);
  });
});

describe("clustseg models", () => {
  it("lists the models that ship", async () => {
    const { code, stdout } = await clustseg(root, "models");

    expect(code).toBe(0);
    expect(stdout).toMatch(/clustseg-superpixel +\d+\.\d+\.\d+ +superpixel +ASA 0\.\d{3} at K = 300 +none/);
  });

  it("shows a headline for each task, whole and within 100 columns", async () => {
    const { stdout } = await inProcess(root, "models");

    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(stdout).not.toContain("…");
    expect(stdout).toMatch(/clustseg-nuclei .* instance +AP50 0\.\d{3}, mean AP 0\.\d{3} /);
    expect(stdout).toMatch(/clustseg-street .* semantic +mIoU 0\.\d{3} +sky, building/);
    expect(stdout).toMatch(/clustseg-photo .* panoptic +PQ 0\.\d{3}, of things 0\.\d{3} /);
  });

  it("tells all of a model that is named: defaults, every figure, licence", async () => {
    const { code, stdout } = await inProcess(root, "models", "clustseg-nuclei");

    expect(code).toBe(0);
    expect(stdout).toMatch(/^defaults +threshold 0\.\d+, .*min_area \d+/m);
    expect(stdout).toMatch(/^measured on DSB 2018 val, 67 images$/m);
    expect(stdout).toMatch(/^ instance +AP75 \(COCO\) +0\.\d+$/m);
    expect(stdout).not.toContain("clustseg-photo");
  });

  it("gives model.json as it is with --json", async () => {
    const { stdout } = await inProcess(root, "models", "--json");

    expect(JSON.parse(stdout).models[0].manifest.graph.sha256).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe("clustseg doctor", () => {
  it("tells what works here, and why CUDA does not", async () => {
    const { code, stdout } = await clustseg(await workspace(), "doctor", "--json");

    expect(code).toBe(0);
    const [{ ok, findings }] = jsonLines(stdout) as unknown as [{ ok: boolean; findings: Finding[] }];
    expect(ok).toBe(true);
    const found = new Map(findings.map((finding) => [finding.what, finding]));
    expect(found.get("sharp")?.text).toMatch(/decodes jpeg, png, webp, gif, tiff, avif; SVG is refused/);
    expect(found.get("provider cpu")?.state).toBe("ok");
    const cuda = found.get("provider cuda");
    expect(cuda?.state === "ok" || (cuda?.text.length ?? 0) > 10).toBe(true);
    expect(found.get("output")?.text).toContain("can be written");
  });

  it("leaves nothing behind, and finds an output that cannot be", async () => {
    const cwd = await workspace();
    await writeFile(join(cwd, "file"), "");

    const { code, stdout } = await inProcess(cwd, "doctor", "--out", "file");

    expect(code).toBe(1);
    expect(stdout).toMatch(/BAD output +file is not a folder/);
    expect(await readdir(cwd)).toEqual(["file"]);
  });
});

describe("clustseg demo", () => {
  it("segments the examples in under 30 seconds, and knows the second time that it has", async () => {
    const cwd = await workspace();

    const began = performance.now();
    const first = await clustseg(cwd, "demo", "--superpixels", "100");
    const seconds = (performance.now() - began) / 1000;
    const second = await clustseg(cwd, "demo", "--superpixels", "100");

    expect(first.code).toBe(0);
    expect(seconds).toBeLessThan(30);
    expect(first.stdout).toMatch(/meadow-rotated\.jpg +800 x 450/);
    const overlay = /overlays .*begin with (\S+)/.exec(first.stdout)?.[1];
    expect((await readFile(join(cwd, overlay!))).length).toBeGreaterThan(10_000);
    expect(second).toMatchObject({ code: 0, stdout: expect.stringContaining("all have their masks already") });
  }, 60_000);
});

interface Finding {
  readonly what: string;
  readonly state: string;
  readonly text: string;
}
