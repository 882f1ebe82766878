import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));

describe("the package as a library, from a project that depends on it", () => {
  let project: string;

  beforeAll(async () => {
    await run(process.execPath, [join(root, "scripts/build.mjs"), "--types"]);
    project = await mkdtemp(join(tmpdir(), "clustseg-library-"));
    await mkdir(join(project, "node_modules"));
    await symlink(root, join(project, "node_modules/clustseg"), "dir");
    await copyFile(join(root, "examples/library.mjs"), join(project, "library.mjs"));
  });

  afterAll(() => rm(project, { recursive: true, force: true }));

  test("runs the example, which finds the model that ships", async () => {
    const { stdout } = await run(process.execPath, ["library.mjs", join(root, "examples/images/coffee.jpg")], {
      cwd: project,
    });

    expect(stdout).toMatch(/^\d+ segments in 600 x 400 pixels\nthe largest: \d+ pixels, mean colour \d+,\d+,\d+\n$/);
    expect((await stat(join(project, "overlay.png"))).size).toBeGreaterThan(10_000);
  });

  test("runs the README's example, which tells what is where in a picture", async () => {
    const [, example = ""] = /^```js\n([\s\S]*?)^```$/m.exec(await readFile(join(root, "README.md"), "utf8")) ?? [];
    await writeFile(join(project, "readme.mjs"), example);
    await copyFile(join(root, "examples/images/cat.jpg"), join(project, "photo.jpg"));

    const { stdout } = await run(process.execPath, ["readme.mjs"], { cwd: project });

    expect(stdout).toMatch(/^\d+ cat thing 0\.\d+ \d+ \[ \d+, \d+, \d+, \d+ \]$/m);
  });

  test("has types that the example keeps to, and that catch what is wrong", async () => {
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const options = ["--noEmit", "--allowJs", "--checkJs", "--strict", "--skipLibCheck", "--target", "es2022"];
    const modules = ["--module", "nodenext", "--typeRoots", join(root, "node_modules/@types"), "--types", "node"];
    const check = (file: string): Promise<unknown> =>
      run(process.execPath, [tsc, ...options, ...modules, file], { cwd: project });
    const wrong = 'import { openModel } from "clustseg"; (await openModel()).segment("a.jpg");';
    await writeFile(join(project, "wrong.mjs"), wrong);

    await expect(check("library.mjs")).resolves.toBeDefined();
    await expect(check("wrong.mjs")).rejects.toMatchObject({ stdout: expect.stringContaining("DecodedImage") });
  });
});
