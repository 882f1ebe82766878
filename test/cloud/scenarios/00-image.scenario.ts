import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
// @ts-expect-error no types: a build script
import { buildSegmentImage, findBuilder, run, timeRuns, unpackedSize } from "../../../scripts/image-builder.mjs";
import { writeSegmentContext } from "../../../scripts/segment-context.mjs";

/** The image that ships, its CPU variant, built from its Dockerfile by what this machine has. Fails where that is nothing. */
const tag = "clustseg-segment:test";
const started = process.env["CLUSTSEG_BATCH"] === "process";
let builder: "docker" | "podman" | "buildah";
let container = "";

describe.skipIf(started)("00 the image of the segment job", () => {
  beforeAll(async () => {
    builder = findBuilder();
    const context = resolve("out/container/test-context");
    await writeSegmentContext(
      context,
      ["clustseg-superpixel", "clustseg-street"].map((name) => resolve("models", name)),
    );
    buildSegmentImage({ builder, context, tag, variant: "cpu" });
    if (builder === "buildah") container = run("buildah", ["from", "--pull-never", tag]);
  });
  afterAll(() => {
    if (container !== "") run("buildah", ["rm", container]);
  });

  it("has at most 450 MB unpacked, without the bundles, and starts within seconds", () => {
    const { all, models } = unpackedSize(builder, tag);
    const { seconds, output } = timeRuns(builder, tag, ["segment", "--help"], 3);

    console.log(
      `The image: ${Math.round(all - models)} MB; "segment --help" took ${seconds.map((s: number) => s.toFixed(2))} s`,
    );
    expect(all - models).toBeLessThan(450);
    expect(output).toContain("segment --pipeline NAME");
    expect(Math.min(...seconds)).toBeLessThan(15);
  });

  it("runs every bundle in it", () => {
    const { status, output } = start(["segment", "--check"]);

    expect(status).toBe(0);
    expect(output).toContain('"model":"clustseg-superpixel@');
    expect(output).toContain('"model":"clustseg-street@');
  });

  it("fails loudly where a GPU is asked for and none is there", () => {
    const { status, output } = start(["segment", "--check"], { CLUSTSEG_PROVIDER: "cuda" });

    expect(status).toBe(69);
    expect(output).toContain("MODEL_PROVIDER_UNAVAILABLE");
  });

  it("runs as a user who may write nothing but /tmp, and holds no tools to build or install with", () => {
    const script =
      "id -u; touch /app/x /usr/local/bin/x 2>/dev/null; echo $?; touch /tmp/x; echo $?; ls /usr/local/bin; ls /app/node_modules";

    const { output } = start(["sh", "-c", script]);

    const lines = output.trim().split("\n");
    expect(lines.slice(0, 3)).toEqual(["10001", "1", "0"]);
    expect(lines.slice(3, 5)).toEqual(["node", "segment"]);
    expect(lines.slice(5).sort()).toEqual([
      "@img",
      "detect-libc",
      "onnxruntime-common",
      "onnxruntime-node",
      "semver",
      "sharp",
    ]);
    expect(start(["sh", "-c", "command -v npm || command -v python3 || command -v cc"]).status).not.toBe(0);
  });
});

function start(command: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const variables = Object.entries(environment).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
  const words =
    builder === "buildah"
      ? ["run", ...variables, container, "--", ...command]
      : ["run", "--rm", "--read-only", "--tmpfs", "/tmp", ...variables, tag, ...command];
  const env = { ...process.env, BUILDAH_ISOLATION: "chroot", STORAGE_DRIVER: "vfs" };
  const { status, stdout, stderr } = spawnSync(builder, words, { encoding: "utf8", env });
  // Errors are logged on stderr, like everything that a logger calls one.
  return { status, output: `${stdout}${stderr}` };
}
