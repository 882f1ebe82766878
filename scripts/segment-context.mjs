// The Docker context of the segment worker: all that functions/segment/Dockerfile copies, and nothing else. build-cloud.mjs calls
// writeSegmentContext for dist/cloud/segment.
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { root } from "./esbuild-options.mjs";
import { needlessOf, pruneLock } from "./prune-lock.mjs";

/** Packages with native code: npm brings them for the platform, and they stay outside the bundle. */
const native = ["sharp", "onnxruntime-node"];
/** What npm brings and nothing here runs: for onnxruntime-node's install script, and sharp for where it has no binary. */
const needless = ["adm-zip", "global-agent", "@img/sharp-wasm32"];

/** /app/<name>.js <- source. `worker` is the thread that owns the graph: it is started by its file's name. */
const entries = {
  segment: "./functions/segment/worker.ts",
  worker: "./layers/model/worker.js",
  "check-libraries": "./functions/segment/image/check-libraries.ts",
};

/** Bundles the worker into `outdir`, for Node 22, with all but the native packages inside. */
export async function bundleSegmentWorker(outdir) {
  const { build } = await import("esbuild");
  await build({
    absWorkingDir: root,
    entryPoints: entries,
    outdir,
    bundle: true,
    minify: true,
    keepNames: true,
    platform: "node",
    format: "esm",
    target: "node22",
    external: native,
    logLevel: "warning",
    legalComments: "none",
    // Some of the SDK's parts are CommonJS and ask for Node's modules by require.
    banner: {
      js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
    },
  });
}

/**
 * Writes the context anew.
 *
 * @param out folder of the context
 * @param bundles folders of the bundles that the image is to hold, each by the name of its model
 * @param options.cudaProvider folder with libonnxruntime_providers_*.so, where onnxruntime-node's install script cannot fetch them
 */
export async function writeSegmentContext(out, bundles, options = {}) {
  // Beside it first, then renamed: whoever builds an image from it meanwhile finds a whole one.
  const draft = `${out}.${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  try {
    await writeContext(draft, bundles, options);
    rmSync(out, { recursive: true, force: true });
    renameSync(draft, out);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

async function writeContext(out, bundles, { cudaProvider }) {
  mkdirSync(join(out, "models"), { recursive: true });
  await bundleSegmentWorker(join(out, "app"));
  writeFileSync(join(out, "app", "package.json"), `${JSON.stringify({ private: true, type: "module" })}\n`);

  const rootLock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const { manifest, lock } = pruneLock(rootLock, native, "clustseg-segment");
  writeFileSync(join(out, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  writeFileSync(join(out, "package-lock.json"), `${JSON.stringify(lock, undefined, 2)}\n`);
  writeFileSync(join(out, "needless.txt"), `${needlessOf(lock.packages, native, needless).join("\n")}\n`);

  const source = join(root, "functions", "segment");
  cpSync(join(source, "Dockerfile"), join(out, "Dockerfile"));
  cpSync(join(source, "image", "segment.sh"), join(out, "segment.sh"));
  mkdirSync(join(out, "cuda", "provider"), { recursive: true });
  for (const name of readdirSync(join(source, "image")).filter((file) => /^cuda\d+\.txt$/.test(file))) {
    cpSync(join(source, "image", name), join(out, "cuda", name));
  }
  if (cudaProvider !== undefined) {
    for (const name of readdirSync(cudaProvider).filter((file) =>
      /^libonnxruntime_providers_(?:cuda|shared)\.so$/.test(file),
    )) {
      cpSync(join(cudaProvider, name), join(out, "cuda", "provider", name));
    }
  }
  for (const folder of bundles) {
    const { name, graph } = JSON.parse(readFileSync(join(folder, "model.json"), "utf8"));
    if (typeof name !== "string" || basename(name) !== name || name.startsWith(".")) {
      throw new Error(`${folder}/model.json: "${name}" cannot be the name of a folder`);
    }
    mkdirSync(join(out, "models", name));
    // Nothing else of the folder: notes and checkpoints may lie beside a bundle.
    for (const file of ["model.json", graph.file]) cpSync(join(folder, file), join(out, "models", name, file));
  }
}
