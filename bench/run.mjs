#!/usr/bin/env node
// Bundles the benches into dist/bench and runs one:  npm run bench -- <name> [options]     (--help after a name tells its options)
// All of them with tiny counts, to see that none is broken:  npm run bench:smoke
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { forNode, root } from "../scripts/esbuild-options.mjs";

const names = readdirSync(new URL(".", import.meta.url))
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -".ts".length))
  .sort();

async function bundle() {
  await build({
    ...forNode,
    // A worker thread is started from a file of its own, which the model looks for beside the bundle.
    entryPoints: {
      ...Object.fromEntries(names.map((name) => [name, `bench/${name}.ts`])),
      worker: "layers/model/worker.js",
    },
    outdir: "dist/bench",
  });
}

/** @returns {number} the exit status */
function run(name, options) {
  const script = fileURLToPath(new URL(`../dist/bench/${name}.js`, import.meta.url));
  const { status } = spawnSync(process.execPath, ["--enable-source-maps", script, ...options], {
    cwd: root,
    stdio: "inherit",
  });
  return status ?? 1;
}

/** Each bench once, and the one that runs any bundle with every bundle. */
function smoke() {
  const began = performance.now();
  const models = new URL("../models/", import.meta.url);
  const bundles = readdirSync(models).filter((name) => existsSync(new URL(`${name}/model.json`, models)));
  const runs = [
    ...names.map((name) => [name, []]),
    ...bundles.filter((name) => name !== "clustseg-superpixel").map((name) => ["end-to-end", ["--bundle", name]]),
  ];
  for (const [name, options] of runs) {
    const status = run(name, ["--smoke", ...options]);
    if (status !== 0) {
      console.error(`\nbench ${[name, ...options].join(" ")} failed with exit code ${status}`);
      return status;
    }
  }
  console.log(
    `\n${runs.length} runs of ${names.length} benches in ${((performance.now() - began) / 1000).toFixed(1)} s`,
  );
  return 0;
}

const [name = "", ...options] = process.argv.slice(2);
if (name !== "smoke" && !names.includes(name)) {
  console.error(`Usage: npm run bench -- <name> [options]\nNames: ${names.join(", ")}, smoke (all, with tiny counts)`);
  process.exit(2);
}
await bundle();
process.exitCode = name === "smoke" ? smoke() : run(name, options);
