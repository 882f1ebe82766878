import { fileURLToPath } from "node:url";
import { glob } from "tinyglobby";
import { describe, expect, test } from "vitest";
import { readSources } from "./support/imports.js";
import { findBreaches, rooms } from "./support/walls.js";

const root = fileURLToPath(new URL("..", import.meta.url));

describe("the walls between the rooms", () => {
  test("stand in every file of ours", async () => {
    const files = await glob(
      Object.keys(rooms).map((room) => `${room}/**/*.{ts,js}`),
      { cwd: root, ignore: ["**/node_modules/**", "**/cdk.out/**"] },
    );
    const sources = await readSources(root, files.sort());

    const breaches = await findBreaches(sources);

    expect(files.length).toBeGreaterThan(10);
    expect(breaches).toEqual([]);
  });

  test.each([
    [
      "segments reaching for another room",
      "layers/segments/a.ts",
      'import { openModel } from "../model/open.js";',
      "model",
    ],
    [
      "segments reaching for a type",
      "layers/segments/a.ts",
      'import type { Run } from "../pipeline/run.js";',
      "pipeline",
    ],
    ["segments reading the disk", "layers/segments/a.ts", 'import { readFile } from "node:fs/promises";', "node:fs"],
    ["segments using a native module", "layers/segments/a.ts", 'import sharp from "sharp";', "sharp"],
    ["segments using Buffer", "layers/segments/a.ts", "export const a = Buffer.alloc(1);", "Buffer"],
    ["pipeline reading the disk", "layers/pipeline/a.ts", 'export * from "fs";', "node:fs"],
    ["pipeline running a model", "layers/pipeline/a.ts", 'import { openModel } from "../model/open.js";', "model"],
    ["pipeline knowing the cloud", "layers/pipeline/a.ts", 'await import("@aws-sdk/client-s3");', "@aws-sdk"],
    ["pipeline calling the network", "layers/pipeline/a.ts", 'await fetch("http://localhost");', "fetch"],
    ["model knowing the pipeline", "layers/model/a.ts", 'import type { Run } from "../pipeline/run.js";', "pipeline"],
    ["model opening a socket", "layers/model/a.ts", 'const net = require("node:net");', "node:net"],
    ["model reading the environment", "layers/model/a.ts", "export const a = process.env.HOME;", "process.env"],
    ["storage beyond the port", "layers/storage/a.ts", 'export { plan } from "../pipeline/plan.js";', "pipeline"],
    ["one function using another", "functions/plan/a.ts", 'import { b } from "../intake/b.js";', "functions/intake"],
    ["a layer using the command", "layers/storage/a.ts", 'import { main } from "../../bin/clustseg.js";', "bin"],
    [
      "anybody using the library's public face",
      "layers/model/a.ts",
      'import { openModel } from "./index.js";',
      "index",
    ],
    ["a room using a test's help", "bin/a.ts", 'import { b } from "../test/support/b.js";', "outside all rooms"],
  ])("are enforced against %s", async (_, file, text, named) => {
    const breaches = await findBreaches(new Map([[file, text]]));

    expect(breaches).toHaveLength(1);
    expect(breaches[0]).toContain(file);
    expect(breaches[0]).toContain(named);
  });

  test.each([
    ["pipeline naming a type of model", "layers/pipeline/a.ts", 'import type { Model } from "../model/open.js";'],
    [
      "storage implementing the port",
      "layers/storage/a.ts",
      'import type { ObjectStore } from "../pipeline/ports.js";',
    ],
    [
      "a name of its own that looks like a global",
      "layers/segments/a.ts",
      "export const a = (process: { env: 1 }) => process.env;",
    ],
    ["a string that looks like an import", "layers/segments/a.ts", "export const a = 'import \"node:fs\"';"],
    ["the command reading the environment", "bin/a.ts", "export const a = process.env.HOME;"],
  ])("have a door for %s", async (_, file, text) => {
    expect(await findBreaches(new Map([[file, text]]))).toEqual([]);
  });

  test("are enforced against files that need each other in a ring, but not against a ring of types", async () => {
    const ring = new Map([
      ["layers/segments/a.ts", 'import { b } from "./b.js"; export const a = () => b;'],
      ["layers/segments/b.ts", 'import { c } from "./c.js"; export const b = () => c;'],
      ["layers/segments/c.ts", 'import { a } from "./a.js"; export const c = () => a;'],
    ]);
    const ringOfTypes = new Map(ring).set(
      "layers/segments/c.ts",
      'import type { a } from "./a.js"; export const c = 1;',
    );

    expect(await findBreaches(ring)).toEqual([
      "layers/segments/a.ts -> layers/segments/b.ts -> layers/segments/c.ts -> layers/segments/a.ts is a cycle: move what both need into a file of its own",
    ]);
    expect(await findBreaches(ringOfTypes)).toEqual([]);
  });
});
