import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { closureOf, needlessOf, pruneLock } from "../../../scripts/prune-lock.mjs";
import { writeSegmentContext } from "../../../scripts/segment-context.mjs";
import { tinyBundle } from "../../model/pictures.js";
import { temporaryFolder } from "../../storage/temporary-folder.js";

const rootLock = JSON.parse(readFileSync("package-lock.json", "utf8"));

describe("the image's build context", () => {
  it("holds all that the Dockerfile copies, and of a bundle its graph and model.json alone", async () => {
    const out = join(temporaryFolder(), "segment");

    await writeSegmentContext(out, [tinyBundle]);

    const copied = [...readFileSync(join(out, "Dockerfile"), "utf8").matchAll(/^COPY (?!--from)(.+) \S+$/gm)];
    const sources = copied.flatMap(([, list = ""]) => list.split(" "));
    expect(sources.length).toBeGreaterThan(5);
    for (const source of sources) expect(existsSync(join(out, source)), source).toBe(true);
    expect(readdirSync(join(out, "models", "tiny-superpixel")).sort()).toEqual(["model.json", "model.onnx"]);
    expect(statSync(join(out, "app", "segment.js")).size).toBeLessThan(2_000_000);
    expect(readdirSync(join(out, ".."))).toEqual(["segment"]);
  });
});

describe("a lock file cut down to some packages", () => {
  let cut: ReturnType<typeof pruneLock>;
  beforeAll(() => {
    cut = pruneLock(rootLock, ["sharp", "onnxruntime-node"], "some-image");
  });

  it("has the versions and checksums of the whole one, and nothing that only development needs", () => {
    const names = Object.keys(cut.lock.packages).filter((key) => key !== "");

    expect(names).toContain("node_modules/@img/sharp-linux-x64");
    for (const name of names) expect(cut.lock.packages[name]).toEqual(rootLock.packages[name]);
    expect(names.filter((name) => /vitest|esbuild|aws-cdk|typescript/.test(name))).toEqual([]);
    expect(cut.manifest.dependencies).toEqual({
      sharp: rootLock.packages["node_modules/sharp"].version,
      "onnxruntime-node": rootLock.packages["node_modules/onnxruntime-node"].version,
    });
  });

  it("is closed: what a package of it needs is in it", () => {
    const { packages } = cut.lock;
    for (const [from, { dependencies = {} }] of Object.entries(packages) as [string, { dependencies?: object }][]) {
      for (const name of Object.keys(dependencies)) {
        const found = `node_modules/${name}` in packages || `${from}/node_modules/${name}` in packages;
        expect(found, `${name} of ${from || "the root"}`).toBe(true);
      }
    }
  });

  it("tells what goes with a package that is not needed, and keeps what others need too", () => {
    const packages = {
      "node_modules/a": { dependencies: { installer: "1", shared: "1" } },
      "node_modules/installer": { dependencies: { shared: "1", own: "1" } },
      "node_modules/shared": {},
      "node_modules/own": { dependencies: { deep: "2" } },
      "node_modules/own/node_modules/deep": {},
      "node_modules/deep": {},
    };

    expect(closureOf(packages, ["a"])).toHaveLength(5);
    expect(needlessOf(packages, ["a"], ["installer"])).toEqual(["installer", "own", "own/node_modules/deep"]);
  });

  it("is refused for a package that is not in the whole one", () => {
    expect(() => pruneLock(rootLock, ["left-pad"], "some-image")).toThrow("no left-pad");
  });
});
