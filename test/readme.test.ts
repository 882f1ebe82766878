import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { inProcess, start, workspace } from "./bin/cli.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const text = readFileSync(`${root}README.md`, "utf8");

it("the README's numbers are those that were measured", () => {
  const { status, stderr } = spawnSync(process.execPath, [`${root}scripts/numbers.mjs`, "--check"], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(status).toBe(0);
});

it("every file that the README links to is there", () => {
  const links = [...text.matchAll(/\]\(([^)#]+)\)/g)].map(([, link]) => link ?? "");
  expect(links.length).toBeGreaterThan(5);
  for (const link of links.filter((one) => !/^https?:/.test(one))) {
    expect(existsSync(`${root}${link}`), `README.md links to ${link}`).toBe(true);
  }
});

it("every line of the README's first commands works after those above it, with nothing but the examples", async () => {
  const cwd = await workspace();
  cpSync(join(root, "examples"), join(cwd, "examples"), { recursive: true });
  const [, block = ""] = /^## The command\n\n```sh\n([\s\S]*?)^```$/m.exec(text) ?? [];
  const lines = block.split("\n").filter((line) => line !== "");
  expect(lines.length).toBeGreaterThan(5);

  for (const line of lines) {
    const [, command = ""] = /^npx clustseg (.*?) +# .+$/.exec(line) ?? [];
    const args = command.split(" ").map((word) => word.replaceAll('"', ""));
    if (args[0] === "view") {
      const { child, ended, until } = start(cwd, ...args);
      await until("Ctrl-C ends it");
      child.kill("SIGINT");
      expect((await ended).code, line).toBe(0);
    } else {
      const { code, stderr } = await inProcess(cwd, ...args);
      expect(code, `${line}\n${stderr}`).toBe(0);
    }
  }
}, 300_000);
