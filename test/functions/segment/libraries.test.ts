import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readNeeds } from "../../../functions/segment/image/elf.js";
import { type LibraryCheck, libraryProblems } from "../../../functions/segment/image/libraries.js";
import { temporaryFolder } from "../../storage/temporary-folder.js";
import { elfFile } from "./elf-file.js";

const installed = join(
  dirname(fileURLToPath(import.meta.resolve("onnxruntime-node"))),
  "../bin/napi-v6",
  process.platform,
  process.arch,
);

describe("readNeeds", () => {
  it.skipIf(process.platform !== "linux")("reads onnxruntime's own libraries as the linker does", () => {
    const binding = readNeeds(readFileSync(join(installed, "onnxruntime_binding.node")));
    const library = readNeeds(readFileSync(join(installed, "libonnxruntime.so.1")));

    expect(binding.needed).toContain("libonnxruntime.so.1");
    expect(binding.needed).toContain("libc.so.6");
    expect(binding.runpath).toEqual(["$ORIGIN/"]);
    expect(library.soname).toBe("libonnxruntime.so.1");
  });

  it("reads needs, name and path of a library, in their order", () => {
    const file = elfFile({ needed: ["libcudart.so.12", "libc.so.6"], soname: "libx.so.1", runpath: "$ORIGIN:/opt/x" });

    expect(readNeeds(file)).toEqual({
      needed: ["libcudart.so.12", "libc.so.6"],
      soname: "libx.so.1",
      runpath: ["$ORIGIN", "/opt/x"],
    });
  });

  it("refuses what is no such file, and says so", () => {
    expect(() => readNeeds(new TextEncoder().encode("#!/bin/sh\n".repeat(20)))).toThrow(
      "not a 64-bit little-endian ELF",
    );
    expect(() => readNeeds(new Uint8Array())).toThrow("not a 64-bit little-endian ELF");
  });

  it("ends in an error, never in wrong names, when the file is cut short or damaged", () => {
    const whole = elfFile({ needed: ["libcudart.so.12", "libcublas.so.12"], soname: "libx.so" });
    const names = new Set(readNeeds(whole).needed);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), (length) => {
        let found: readonly string[] = [];
        try {
          found = readNeeds(whole.subarray(0, length)).needed;
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
        expect(found.every((name) => names.has(name))).toBe(true);
      }),
    );
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
        const damaged = whole.slice();
        damaged[at] = value;
        try {
          readNeeds(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });
});

describe("the libraries of an image", () => {
  it("are well when each need is in the image, and the driver's are left to the machine", () => {
    const check = imageWith({ provider: ["libcublas.so.12", "libcudart.so.12", "libcuda.so.1", "libc.so.6"] });

    expect(libraryProblems(check)).toEqual([]);
  });

  it("are refused when the provider was made for another CUDA than the image", () => {
    const check = imageWith({ provider: ["libcublas.so.13", "libcudart.so.13", "libc.so.6"] });

    const problems = libraryProblems(check);

    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain("libonnxruntime_providers_cuda.so needs libcublas.so.13, libcudart.so.13");
    expect(problems[0]).toContain("CUDA_MAJOR=13");
  });

  it.each(["libcufft.so.11", "libcublas.so.12"])("are refused when %s is nowhere", (library) => {
    const check = imageWith({ provider: [library, "libcudart.so.12"] });
    rmSync(join(check.folders[0] as string, library), { force: true });

    expect(libraryProblems(check)).toEqual([
      expect.stringContaining(`libonnxruntime_providers_cuda.so needs ${library}, which is nowhere`),
    ]);
  });

  it("are refused without cuDNN, which no list of needs names", () => {
    const check = imageWith({ provider: ["libcudart.so.12"] });
    rmSync(join(check.folders[0] as string, "libcudnn.so.9"));

    expect(libraryProblems(check)).toEqual([expect.stringContaining("libcudnn.so.9")]);
  });

  it("are refused without the provider", () => {
    const check = imageWith({ provider: [] });
    rmSync(join(check.onnxruntime, "libonnxruntime_providers_cuda.so"));

    expect(libraryProblems(check)).toEqual([expect.stringContaining("libonnxruntime_providers_cuda.so is missing")]);
  });

  it("of the CPU variant hold no provider", () => {
    const check = { ...imageWith({ provider: ["libcudart.so.12"] }), variant: "cpu" } as const;

    expect(libraryProblems(check)).toEqual([expect.stringContaining("the CPU variant holds")]);
  });
});

/** Two folders like an image's, of libraries that need what is said, and are in turn all there. */
function imageWith({ provider }: { readonly provider: readonly string[] }): LibraryCheck {
  const folder = temporaryFolder();
  const [onnxruntime, cuda] = [join(folder, "onnxruntime"), join(folder, "cuda")];
  mkdirSync(onnxruntime);
  mkdirSync(cuda);
  const files = {
    "onnxruntime_binding.node": elfFile({ needed: ["libonnxruntime.so.1", "libc.so.6"], runpath: "$ORIGIN/" }),
    "libonnxruntime.so.1": elfFile({ needed: ["libc.so.6"] }),
    "libonnxruntime_providers_shared.so": elfFile({ needed: ["libc.so.6"] }),
    "libonnxruntime_providers_cuda.so": elfFile({ needed: provider }),
  };
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(onnxruntime, name), bytes);
  const there = provider.filter((name) => name !== "libcuda.so.1");
  for (const name of ["libc.so.6", "libcudnn.so.9", ...there]) writeFileSync(join(cuda, name), elfFile({}));
  return { onnxruntime, variant: "cuda", cudaMajor: 12, cudnnMajor: 9, folders: [cuda] };
}
