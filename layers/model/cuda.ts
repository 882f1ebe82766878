import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

/** Why CUDA cannot work here. The usual reasons, most basic first; undefined if all that can be seen from here is in place. */
export function whyNoCuda(): { reason: string; hint: string } | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") {
    return {
      reason: `onnxruntime-node has CUDA for linux/x64 only, and this is ${process.platform}/${process.arch}.`,
      hint: 'Use the execution provider "cpu".',
    };
  }
  if (!existsSync("/dev/nvidiactl") && !existsSync("/dev/dxg")) {
    return {
      reason: "No NVIDIA device is visible to this process.",
      hint: "Install the NVIDIA driver; in a container, start it with access to the GPU.",
    };
  }
  const library = "libonnxruntime_providers_cuda.so";
  const entry = createRequire(import.meta.url).resolve("onnxruntime-node");
  const binaries = path.join(path.dirname(entry), "..", "bin", "napi-v6", process.platform, process.arch);
  if (!existsSync(path.join(binaries, library))) {
    return {
      reason: `${library} is not installed: this project installs packages without running their scripts.`,
      hint: "Run onnxruntime-node's own install script with ONNXRUNTIME_NODE_INSTALL=cuda12, as the GPU image does.",
    };
  }
  return undefined;
}
