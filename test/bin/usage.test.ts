import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { resultFormats } from "../../layers/model/result-files.js";
import { bundle, clustseg, inProcess, jsonLines, photos, root, sharedWorkspace, workspace } from "./cli.js";

describe("the command line", () => {
  const cwd = sharedWorkspace(async (cwd) => {
    await photos(join(cwd, "in"), "a.jpg");
    await mkdir(join(cwd, "none"));
  });

  it("prints the package's version", async () => {
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));

    expect(await clustseg(root, "--version")).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  it.each(["upload", "submit", "status", "results", "logs", "cancel", "redrive", "estimate"])(
    "has a help for %s, which tells how the stack is found",
    async (command) => {
      const { code, stdout } = await inProcess(root, command, "--help");

      expect(code).toBe(0);
      expect(stdout).toContain("$CLUSTSEG_STACK");
      expect(stdout).toContain("Examples:");
      expect((await inProcess(root, "--help")).stdout).toMatch(
        new RegExp(`Commands against the cloud:[^]*\\n  ${command} `),
      );
    },
  );

  it("has a help for all and for each command, with exit codes, formats and examples", async () => {
    const all = await clustseg(root, "--help");
    const one = await inProcess(root, "segment", "--help");

    expect(all).toMatchObject({ code: 0, stderr: "" });
    expect(all.stdout).toMatch(/Exit codes:\n {2}0 {2}done/);
    for (const command of ["segment", "watch", "models", "inspect", "doctor", "demo"])
      expect(all.stdout).toContain(command);
    for (const format of Object.keys(resultFormats)) expect(one.stdout).toContain(format);
    expect(one.stdout).toContain("Examples:");
  });

  it.each([
    ["an unknown command", ["segmnt"], "USAGE", "Did you mean segment?"],
    ["an unknown option", ["segment", "in", "--superpixel", "5"], "USAGE", "--superpixels"],
    ["a source that is not there", ["segment", "nowhere"], "SOURCE_NOT_FOUND", "nowhere"],
    ["a folder without images", ["segment", "./none"], "SOURCE_EMPTY", "no images in ./none ["],
    ["a glob in a folder that is not there", ["segment", "slides/**/*.png"], "SOURCE_NOT_FOUND", "no folder slides,"],
    ["a glob that matches nothing", ["segment", "none/**/*.png"], "SOURCE_NOT_FOUND", "no file matches none/**/*.png"],
    [
      "to export what holds no results",
      ["export", "./none", "--format", "csv", "--out", "x"],
      "RESULT_NOT_FOUND",
      "in ./none [",
    ],
    ["no number of superpixels", ["segment", "in", "--superpixels", "many"], "USAGE", "whole number"],
    ["a task that no model does", ["segment", "in", "--task", "panoptic"], "TASK_UNSUPPORTED", "It does: superpixel"],
    ["an unknown format", ["segment", "in", "--formats", "svg"], "FORMAT_UNKNOWN", "overlay"],
    ["an unknown model", ["segment", "in", "--model", "best"], "MODEL_NOT_FOUND", "clustseg-superpixel"],
    ["results among the images", ["segment", "in", "--out", "in"], "USAGE", "--out"],
    ["an output without a name", ["segment", "in", "--out", ""], "USAGE", "--out"],
    ["to watch into an output without a name", ["watch", "in", "--out="], "USAGE", "--out"],
    ["to examine an output without a name", ["doctor", "--out", ""], "USAGE", "--out"],
    ["a demo into an output without a name", ["demo", "--out", ""], "USAGE", "--out"],
    ["an output that is a file", ["segment", "in", "--out", "in/a.jpg"], "USAGE", "--out is a file"],
    ["an output below a file", ["segment", "in", "--out", "in/a.jpg/b"], "USAGE", "--out lies below a file"],
    ["a demo into a file", ["demo", "--out", "in/a.jpg"], "USAGE", "--out is a file"],
    ["more superpixels than there are labels", ["segment", "in", "--superpixels", "65001"], "USAGE", "65000"],
    ["force and resume", ["segment", "in", "--force", "--resume"], "USAGE", "--resume"],
    ["a bucket that cannot be one", ["segment", "s3://Bad_Name/x"], "STORE_URI_INVALID", "s3://bucket/prefix/"],
    ["a result that is none", ["inspect", "in"], "RESULT_NOT_FOUND", "metadata.json"],
  ])("refuses %s with exit code 2, a code and a hint", async (_, args, errorCode, hint) => {
    const { code, stdout, stderr } = await inProcess(cwd, ...args);

    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(`[${errorCode}]`);
    expect(stderr).toContain(hint);
    expect(stderr).not.toMatch(/\n +at /);
  });

  it("prints the help, as an error, when no command is given", async () => {
    const { code, stdout, stderr } = await inProcess(cwd);

    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^Usage: clustseg <command>[\s\S]*Exit codes:/);
  });

  it("tells in the help of segment which model is for what, and where defaults are", async () => {
    const { stdout } = await inProcess(cwd, "segment", "--help");

    for (const name of ["nuclei", "street", "photo"]) expect(stdout).toContain(`--model clustseg-${name}`);
    expect(stdout).toMatch(/--superpixels <n> +superpixel: about how many/);
    expect(stdout.match(/\(default:\s+the\s+model's/g)?.length).toBeGreaterThanOrEqual(5);
  });

  it("says of a folder that is not there nothing of globs", async () => {
    const { code, stderr } = await inProcess(cwd, "watch", "inbox/");

    expect(code).toBe(2);
    expect(stderr).toContain("there is no file or folder inbox/ [SOURCE_NOT_FOUND]");
    expect(stderr).not.toMatch(/glob|\*\*/i);
  });

  it("ends the process with the exit code", async () => {
    expect(await clustseg(cwd, "segment", "nowhere")).toMatchObject({ code: 2, stdout: "" });
  });

  it("prints the stack with --debug only, and errors as JSON with --json", async () => {
    const { stdout, stderr } = await inProcess(cwd, "segment", "nowhere", "--debug", "--json");

    expect(stderr).toMatch(/\n +at /);
    expect(jsonLines(stdout)).toEqual([expect.objectContaining({ type: "error", code: "SOURCE_NOT_FOUND" })]);
  });

  it.each([
    [
      "a graph that was changed",
      "MODEL_DAMAGED",
      async (folder: string) => {
        const { graph } = JSON.parse(await readFile(join(folder, "model.json"), "utf8"));
        const bytes = await readFile(join(folder, graph.file));
        bytes[bytes.length >> 1]! ^= 1;
        await writeFile(join(folder, graph.file), bytes);
      },
    ],
    [
      "a model.json that does not match its schema",
      "MODEL_MANIFEST_INVALID",
      async (folder: string) => {
        const manifest = JSON.parse(await readFile(join(folder, "model.json"), "utf8"));
        await writeFile(join(folder, "model.json"), JSON.stringify({ ...manifest, tasks: ["everything"] }));
      },
    ],
  ])("fails with exit code 3 for %s", async (_, errorCode, damage) => {
    const folder = join(await workspace(), "bundle");
    await cp(bundle, folder, { recursive: true });
    await damage(folder);

    const { code, stderr } = await inProcess(cwd, "segment", "in", "--model", folder);

    expect(code).toBe(3);
    expect(stderr).toContain(`[${errorCode}]`);
  });

  it("loads neither sharp, onnxruntime nor the AWS SDK before a command needs them", async () => {
    await clustseg(root, "--version");

    const loaded = await staticImports(join(root, "dist/clustseg.js"));

    expect(loaded).toContain("commander");
    for (const heavy of ["sharp", "onnxruntime-node", "zod", "p-queue"]) expect(loaded).not.toContain(heavy);
    expect(loaded.filter((name) => name.startsWith("@aws-sdk/"))).toEqual([]);
  });
});

/** The packages that a bundle and the chunks it stands on import at once. */
async function staticImports(file: string): Promise<string[]> {
  const text = await readFile(file, "utf8");
  const names = [
    ...text.matchAll(/^(?:import|export)\s[^"';]*?from "([^"]+)";|^import "([^"]+)";|^\} from "([^"]+)";/gm),
  ];
  const found: string[] = [];
  for (const [, a, b, c] of names) {
    const name = a ?? b ?? c!;
    found.push(...(name.startsWith("./") ? await staticImports(join(file, "..", name)) : [name]));
  }
  return found;
}
