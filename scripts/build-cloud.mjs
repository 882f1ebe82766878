// Builds what is deployed into dist/cloud/: a bundle a function, the Lambda layers, the Docker context of the container.
//   node scripts/build-cloud.mjs              all of it
//   node scripts/build-cloud.mjs --functions  the functions only
//   node scripts/build-cloud.mjs --if-stale   all of it, when a source is newer
//   --models a,b                              the bundles that go into the layer and the image  [default: all in models/]
//   --without-quick                           the quick function is not deployed, so its size is nobody's concern
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "./esbuild-options.mjs";
import { nativePackages, writeNativeLayer } from "./native-layer.mjs";
import { writeSegmentContext } from "./segment-context.mjs";

export const cloudFolder = join(root, "dist", "cloud");

/** Functions that are bundled here; those with `native` find sharp and onnxruntime-node in the layer. */
export const functions = {
  intake: {},
  plan: {},
  publish: {},
  summarize: {},
  quick: { native: true },
};

/** Tells when all was built, and of which bundles. */
const stampFile = join(cloudFolder, "built.json");
const sources = ["functions", "layers", "models", "package-lock.json", "scripts", "tsconfig.json"];

const forLambda = {
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node22",
  minify: true,
  sourcemap: false,
  legalComments: "none",
  metafile: true,
  write: true,
  logLevel: "warning",
  // The runtime has them.
  external: ["@aws-sdk/*", "@smithy/*"],
  outExtension: { ".js": ".mjs" },
  // CommonJS packages inside an ES module look for these.
  banner: {
    js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
  },
};

/**
 * Native packages lie in a layer, where `import` does not look but `require` does (NODE_PATH). The names that our sources
 * import of them are made from what the package exports here.
 */
const nativeByRequire = {
  name: "native-by-require",
  setup(build) {
    const filter = new RegExp(`^(${nativePackages.join("|")})$`);
    build.onResolve({ filter }, ({ path }) => ({ path, namespace: "native" }));
    build.onLoad({ filter: /.*/, namespace: "native" }, ({ path }) => {
      const names = Object.keys(createRequire(join(root, "package.json"))(path)).filter((name) =>
        /^[A-Za-z_$][\w$]*$/.test(name),
      );
      const lines = names.filter((name) => name !== "default").map((name) => `export const ${name} = native.${name};`);
      const head = `import { createRequire } from "node:module"; const native = createRequire(import.meta.url)("${path}");`;
      return { contents: [head, "export default native;", ...lines].join("\n") };
    });
  },
};

/**
 * zod's `z` holds all of zod, 47 languages included, and a bundler keeps an object whole. A namespace it takes apart: a function
 * comes to a half of the bytes.
 */
const zodTakenApart = {
  name: "zod-taken-apart",
  setup(build) {
    build.onLoad({ filter: /\/(?:layers|functions)\/.*\.ts$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      const taken = source.replace('import { z } from "zod";', 'import * as z from "zod";');
      return taken === source ? undefined : { contents: taken, loader: "ts" };
    });
  },
};

/** Bundles the functions, each into <folder>/<name>/index.mjs. */
export async function buildFunctions(folder = join(cloudFolder, "functions")) {
  const { build } = await import("esbuild");
  for (const [name, { native = false }] of Object.entries(functions)) {
    const outdir = join(folder, name);
    rmSync(outdir, { recursive: true, force: true });
    const entryPoints = { index: `./functions/${name}/handler.ts` };
    // A worker thread is started from a file: worker.js, as the code that starts it names it.
    await build({ ...forLambda, entryPoints, outdir, plugins: [zodTakenApart, ...(native ? [nativeByRequire] : [])] });
    if (!native) continue;
    await build({
      ...forLambda,
      entryPoints: { worker: "./layers/model/worker.js" },
      outdir,
      outExtension: {},
      plugins: [nativeByRequire],
    });
    // worker.js is an ES module, too.
    writeFileSync(join(outdir, "package.json"), '{ "type": "module" }\n');
  }
}

/** The bundles as a layer: dist/cloud/layers/models/models/<name>. */
function buildModels(bundles) {
  const target = join(cloudFolder, "layers", "models");
  rmSync(target, { recursive: true, force: true });
  for (const folder of bundles) {
    const { name, graph } = JSON.parse(readFileSync(join(folder, "model.json"), "utf8"));
    const to = join(target, "models", name);
    mkdirSync(to, { recursive: true });
    for (const file of ["model.json", graph.file]) cpSync(join(folder, file), join(to, file));
  }
}

/** Folders of the bundles by their names, or of all that ship. */
function bundleFolders(names) {
  const found = readdirSync(join(root, "models")).filter((name) =>
    existsSync(join(root, "models", name, "model.json")),
  );
  for (const name of names ?? []) {
    if (!found.includes(name)) throw new Error(`there is no bundle "${name}" in models/, but ${found.join(", ")}`);
  }
  return (names ?? found).map((name) => join(root, "models", name));
}

/** Bytes of all files below a folder. */
export function folderBytes(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** Lambda's limit for a function with its layers, unzipped. */
export const lambdaBytes = 250 * 1024 ** 2;

/**
 * @param options.models names of the bundles that are deployed
 * @param options.functionsOnly leave layers and container as they are
 * @throws Error when there is no such bundle
 */
export async function buildCloud({ models, functionsOnly = false } = {}) {
  const started = new Date();
  await buildFunctions();
  if (!functionsOnly) {
    const bundles = bundleFolders(models);
    writeNativeLayer(join(cloudFolder, "layers", "native"));
    buildModels(bundles);
    await writeSegmentContext(join(cloudFolder, "segment"), bundles);
    writeFileSync(stampFile, JSON.stringify({ models: models ?? null }));
    // A source saved while we were building must count as newer than what we built.
    utimesSync(stampFile, started, started);
  }
}

/**
 * @param folder laid out as dist/cloud
 * @throws Error when Lambda would not take the quick function with its layers
 */
export function checkQuickSize(folder = cloudFolder) {
  const parts = ["functions/quick", "layers/native", "layers/models"].map((name) => join(folder, name));
  const total = parts.reduce((sum, part) => sum + folderBytes(part), 0);
  if (total <= lambdaBytes) return;
  const size = Math.round(total / 1024 ** 2);
  throw new Error(
    `the quick function has ${size} MB with its layers, and Lambda takes 250: let pipelines name fewer or smaller models, or write "quick": "off" in the configuration`,
  );
}

/** Whether all was built, of the same bundles, and nothing has changed since. */
export function isCloudFresh(models) {
  const built = statSync(stampFile, { throwIfNoEntry: false });
  if (built === undefined) return false;
  if (JSON.stringify(JSON.parse(readFileSync(stampFile, "utf8")).models) !== JSON.stringify(models ?? null))
    return false;
  const outputs = [
    ...Object.keys(functions).map((name) => `functions/${name}/index.mjs`),
    "layers/native",
    "layers/models",
    "segment/Dockerfile",
  ];
  if (!outputs.every((path) => existsSync(join(cloudFolder, path)))) return false;
  return sources.every((path) => newest(join(root, path)) <= built.mtimeMs);
}

/** Newest change below a path, in ms. Folders count too: a file that was deleted leaves only their time behind. */
function newest(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    console.error(`\n${error.message}\n`);
    process.exitCode = 1;
  }
}

async function main(args) {
  const began = performance.now();
  const models = args.includes("--models") ? args[args.indexOf("--models") + 1].split(",") : undefined;
  if (args.includes("--if-stale") && isCloudFresh(models)) {
    console.log("dist/cloud is up to date");
  } else {
    await buildCloud({ functionsOnly: args.includes("--functions"), ...(models === undefined ? {} : { models }) });
    for (const folder of ["functions", "layers"]) {
      for (const entry of readdirSync(join(cloudFolder, folder), { withFileTypes: true })) {
        if (!entry.isDirectory()) continue;
        const bytes = folderBytes(join(cloudFolder, folder, entry.name));
        console.log(`${`${folder}/${entry.name}`.padEnd(20)} ${(bytes / 1e6).toFixed(3)} MB`);
      }
    }
    console.log(`dist/cloud built in ${Math.round(performance.now() - began)} ms`);
  }
  if (!args.includes("--without-quick") && !args.includes("--functions")) checkQuickSize();
}
