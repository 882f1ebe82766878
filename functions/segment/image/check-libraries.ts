import path from "node:path";
import { type LibraryCheck, libraryProblems } from "./libraries.js";

/**
 * Run when the image is built, in the image: ends with 1, and so ends the build, unless the native libraries are all there, are of
 * the CUDA line that the image was made for, and load.
 *
 *     node check-libraries.js cpu|cuda CUDA_MAJOR CUDNN_MAJOR
 */
const [variant, cudaMajor, cudnnMajor] = process.argv.slice(2);
const app = import.meta.dirname;
const check: LibraryCheck = {
  onnxruntime: path.join(app, "node_modules/onnxruntime-node/bin/napi-v6/linux/x64"),
  variant: variant === "cuda" ? "cuda" : "cpu",
  cudaMajor: Number(cudaMajor),
  cudnnMajor: Number(cudnnMajor),
  folders: [
    ...(process.env["LD_LIBRARY_PATH"] ?? "").split(":").filter((folder) => folder !== ""),
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
  ],
};

const problems = libraryProblems(check);
for (const name of ["sharp", "onnxruntime-node"]) {
  await import(name).catch((error: unknown) => problems.push(`${name} does not load: ${String(error)}`));
}
for (const problem of problems) process.stderr.write(`${problem}\n`);
if (problems.length === 0) process.stdout.write(`native libraries of the ${check.variant} variant: all there\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
