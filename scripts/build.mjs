// Bundles our own TypeScript into dist/, so that plain Node can run it; what comes from npm stays outside the bundles. The
// viewer's page goes into dist/viewer/, for browsers.
//   node scripts/build.mjs            the bundles, when a source is newer than they are
//   node scripts/build.mjs --force    the bundles, whatever their age
//   node scripts/build.mjs --types    the bundles and dist/types, the declarations for those who import the package
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { forNode, root } from "./esbuild-options.mjs";

/** dist/<name>.js <- source. `worker` is a file of its own because a worker thread is started from a file. */
const entries = {
  clustseg: "./bin/clustseg.ts",
  index: "./layers/model/index.ts",
  worker: "./layers/model/worker.js",
};

/** dist/viewer/<out> <- source. `worker` is a file of its own here as well. */
const page = [
  { out: "viewer", in: "./layers/viewer/page/main.ts" },
  { out: "worker", in: "./layers/viewer/page/work/worker.ts" },
  { out: "viewer", in: "./layers/viewer/page/viewer.css" },
  { out: "index", in: "./layers/viewer/page/index.html" },
  { out: "icon", in: "./layers/viewer/page/icon.svg" },
];

const sources = ["bin", "layers", "package.json", "scripts/build.mjs", "scripts/esbuild-options.mjs", "tsconfig.json"];

/** Newest change below a path, in ms. Folders count too: a file that was deleted leaves only their time behind. */
function newest(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

const outputs = [...Object.keys(entries).map((name) => `${name}.js`), "viewer/viewer.js", "viewer/index.html"];

/** Whether every bundle is there and none is older than a source. */
export function isFresh() {
  const oldest = Math.min(
    ...outputs.map((name) => statSync(join(root, "dist", name), { throwIfNoEntry: false })?.mtimeMs ?? 0),
  );
  return oldest > 0 && sources.every((path) => newest(join(root, path)) <= oldest);
}

/** Writes all bundles. Each appears whole or not at all, so that two processes may build at once. */
export async function build() {
  const started = new Date();
  const { build: bundle } = await import("esbuild").catch(() => {
    throw new Error("esbuild is not installed, so dist/ cannot be built. Run `npm ci` (without --omit=dev) first.");
  });
  const browser = await bundle({
    absWorkingDir: root,
    bundle: true,
    format: "esm",
    write: false,
    logLevel: "warning",
    entryPoints: page,
    outdir: "dist/viewer",
    platform: "browser",
    // The first that have DecompressionStream, OffscreenCanvas and modules in workers.
    target: ["chrome111", "firefox114", "safari16.4"],
    loader: { ".html": "copy", ".svg": "copy" },
  });
  const node = await bundle({
    ...forNode,
    write: false,
    entryPoints: entries,
    outdir: "dist",
    // What is imported on demand (sharp, onnxruntime, the AWS SDK behind it) stays out of the start: 0.12 s instead of 0.45 s.
    splitting: true,
  });
  const outputFiles = [...browser.outputFiles, ...node.outputFiles];
  mkdirSync(join(root, "dist", "viewer"), { recursive: true });
  // Entries last: a chunk has to be there before the entry that names it.
  const isEntry = ({ path }) => basename(path).replace(/\.js(\.map)?$/, "") in entries;
  for (const { path, contents } of outputFiles.sort((a, b) => isEntry(a) - isEntry(b))) {
    const draft = join(dirname(path), `.${basename(path)}.${process.pid}`);
    writeFileSync(draft, contents);
    // A source saved while we were building must count as newer than what we built.
    utimesSync(draft, started, started);
    renameSync(draft, path);
  }
  removeOldChunks(new Set(outputFiles.map(({ path }) => path)));
}

/** Chunks have new names when they change. Those of an hour ago may go: no program that started with them needs more of them. */
function removeOldChunks(current) {
  for (const name of readdirSync(join(root, "dist"))) {
    const path = join(root, "dist", name);
    if (!/-[0-9A-Z]{8}\.js(\.map)?$/.test(name) || current.has(path)) continue;
    if (Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) > 3_600_000)
      rmSync(path, { force: true });
  }
}

/** Builds if a source is newer than dist/, or if dist/ is not there. */
export async function ensureBuilt() {
  if (!isFresh()) await build();
}

function buildTypes() {
  rmSync(join(root, "dist", "types"), { recursive: true, force: true });
  const tsc = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
  const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.types.json"], { cwd: root, stdio: "inherit" });
  if (status !== 0) throw new Error("the declarations could not be made: see tsc's messages above");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const options = new Set(process.argv.slice(2));
  const began = performance.now();
  const skipped = !options.has("--force") && isFresh();
  if (!skipped) await build();
  if (options.has("--types")) buildTypes();
  console.log(skipped ? "dist/ is up to date" : `dist/ built in ${Math.round(performance.now() - began)} ms`);
}
