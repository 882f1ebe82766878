import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

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
