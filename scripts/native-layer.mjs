// The Lambda layer with the packages that have native code: sharp and onnxruntime-node for Linux on x64, CPU only, in the very
// versions of the project's lock file. build-cloud.mjs calls writeNativeLayer for dist/cloud/layers/native.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./esbuild-options.mjs";
import { needlessOf, pruneLock } from "./prune-lock.mjs";

export const nativePackages = ["sharp", "onnxruntime-node"];
/** What onnxruntime-node's install script uses, and nothing that runs. */
const installers = ["adm-zip", "global-agent"];

/** @param out folder of the layer; what lies there stays when the lock file says the same as when it was made */
export function writeNativeLayer(out) {
  const rootLock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const { manifest, lock } = pruneLock(rootLock, nativePackages, "clustseg-native");
  const script = readFileSync(join(root, "scripts", "native-layer.mjs"), "utf8");
  const stamp = createHash("sha256").update(JSON.stringify(lock)).update(script).digest("hex");
  // Beside the layer, as everything within it is deployed.
  const stampFile = `${out}.stamp`;
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp && existsSync(out)) return;
  rmSync(stampFile, { force: true });
  rmSync(out, { recursive: true, force: true });
  const nodejs = join(out, "nodejs");
  mkdirSync(nodejs, { recursive: true });
  writeFileSync(join(nodejs, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  writeFileSync(join(nodejs, "package-lock.json"), `${JSON.stringify(lock, undefined, 2)}\n`);
  execFileSync(
    "npm",
    // Without scripts: onnxruntime-node's fetches CUDA, and no other package needs its own.
    ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--os=linux", "--cpu=x64", "--libc=glibc"],
    { cwd: nodejs, stdio: ["ignore", "ignore", "inherit"] },
  );
  const modules = join(nodejs, "node_modules");
  for (const name of needlessOf(lock.packages, nativePackages, installers)) {
    rmSync(join(modules, name), { recursive: true, force: true });
  }
  keepLinux(join(modules, "onnxruntime-node", "bin", "napi-v6"));
  dropWhatIsRead(modules);
  writeFileSync(stampFile, stamp);
}

/** Of onnxruntime-node's libraries those for the CPU on Linux, x64. */
function keepLinux(runtimes) {
  const drop = (folder, keep) => {
    for (const name of readdirSync(folder)) if (!keep(name)) rmSync(join(folder, name), { recursive: true });
  };
  drop(runtimes, (name) => name === "linux");
  drop(join(runtimes, "linux"), (name) => name === "x64");
  drop(join(runtimes, "linux", "x64"), (name) => !/providers_(?:cuda|tensorrt)/.test(name));
}

/** Types, maps and texts for people, licences excepted. */
function dropWhatIsRead(modules) {
  for (const path of readdirSync(modules, { recursive: true })) {
    if (/\.(?:[mc]?ts|map|md)$/i.test(path) && !/licen[cs]e|notice/i.test(path)) {
      rmSync(join(modules, path), { force: true });
    }
  }
}
