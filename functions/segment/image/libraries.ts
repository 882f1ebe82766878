import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { readNeeds } from "./elf.js";

export interface LibraryCheck {
  /** onnxruntime-node's folder with libonnxruntime.so.1 and the providers. */
  readonly onnxruntime: string;
  readonly variant: "cpu" | "cuda";
  /** The CUDA line whose libraries the image holds. */
  readonly cudaMajor: number;
  /** cuDNN's line; its name is asked for at run time and is in no list of needs. */
  readonly cudnnMajor: number;
  /** Where the dynamic linker looks, besides a library's own runpath. */
  readonly folders: readonly string[];
}

/** The driver's part of CUDA: the machine brings it, the NVIDIA container runtime mounts it. */
const fromTheDriver: ReadonlySet<string> = new Set(["libcuda.so.1", "libnvidia-ml.so.1"]);

/** Libraries whose major version is CUDA's own; curand and cufft count their own way. */
const countedLikeCuda = /^lib(?:cudart|cublas|cublasLt|nvrtc)\.so\.(\d+)/;

/** What is wrong with the native libraries of an image, as sentences; empty when all is well. */
export function libraryProblems(check: LibraryCheck): string[] {
  const { onnxruntime, variant } = check;
  const problems: string[] = [];
  const main = ["onnxruntime_binding.node", "libonnxruntime.so.1"];
  const providers = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];
  if (variant === "cpu") {
    const left = readdirSync(onnxruntime).filter((name) => name.startsWith("libonnxruntime_providers"));
    if (left.length > 0) problems.push(`the CPU variant holds ${left.join(", ")}`);
  }
  for (const name of variant === "cuda" ? [...main, ...providers] : main) {
    const file = path.join(onnxruntime, name);
    if (!existsSync(file)) problems.push(`${name} is missing from ${onnxruntime}`);
    else problems.push(...problemsOf(file, check));
  }
  if (variant === "cuda") {
    const cudnn = `libcudnn.so.${check.cudnnMajor}`;
    if (!isFound(cudnn, check.folders)) problems.push(`${cudnn}, which onnxruntime opens when it starts, is missing`);
  }
  return problems;
}

function problemsOf(file: string, { folders, cudaMajor }: LibraryCheck): string[] {
  const name = path.basename(file);
  const { needed, runpath } = readNeeds(readFileSync(file));
  const own = runpath.map((folder) => folder.replaceAll(/\$(?:ORIGIN|\{ORIGIN\})/g, path.dirname(file)));
  const wrong = needed.filter((library) => {
    const major = countedLikeCuda.exec(library)?.[1];
    return major !== undefined && Number(major) !== cudaMajor;
  });
  if (wrong.length > 0) {
    return [
      `${name} needs ${wrong.join(", ")}, but the image is made for CUDA ${cudaMajor}. ` +
        `Build with CUDA_MAJOR=${countedLikeCuda.exec(wrong[0] as string)?.[1]} (compute.cudaMajor of the stack), or pin an onnxruntime-node of CUDA ${cudaMajor}.`,
    ];
  }
  return needed
    .filter((library) => !fromTheDriver.has(library) && !isFound(library, [...own, ...folders]))
    .map((library) => `${name} needs ${library}, which is nowhere in ${folders.join(", ")}`);
}

function isFound(library: string, folders: readonly string[]): boolean {
  return folders.some((folder) => existsSync(path.join(folder, library)));
}
