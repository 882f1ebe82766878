import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunReport } from "../../layers/pipeline/contracts.js";
import { imageBytes } from "./fixtures.js";

const imageCount = 120;
const badCount = 3;
const folder = mkdtempSync(join(tmpdir(), "clustseg-kill-"));
const source = join(folder, "images");
const script = join(folder, "child.mjs");
const undisturbed = join(folder, "undisturbed");

describe("a run in a real process", () => {
  beforeAll(async () => {
    await build({
      entryPoints: [join(import.meta.dirname, "kill-child.ts")],
      outfile: script,
      bundle: true,
      platform: "node",
      format: "esm",
      logLevel: "error",
    });
    mkdirSync(join(source, "deep", "er"), { recursive: true });
    for (let i = 0; i < imageCount; i++) {
      const name = ["", "deep/", "deep/er/"][i % 3];
      writeFileSync(join(source, `${name}image ${i}.png`), i % 40 === 7 ? "bad" : imageBytes(i));
    }
    const whole = await runChild(undisturbed, { concurrency: 2 });
    expect(whole.ended).toContain('"segmented":117');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }), 60_000);

  it.each([
    { seed: 1, concurrency: 1 },
    { seed: 2, concurrency: 2 },
    { seed: 3, concurrency: 8 },
  ])(
    "killed again and again (seed $seed), ends in the same bytes, each image in one outcome",
    async ({ seed, concurrency }) => {
      const out = join(folder, `killed-${seed}`);
      const random = seededRandom(seed);
      let kills = 0;
      let run = await runChild(out, { concurrency, signal: "SIGKILL", afterMs: 90 + random() * 120 });
      while (run.ended === undefined && kills < 40) {
        kills++;
        assertNoHalfResult(out);
        run = await runChild(out, { concurrency, signal: "SIGKILL", afterMs: 60 + kills * 12 + random() * 150 });
      }
      if (run.ended === undefined) run = await runChild(out, { concurrency });

      expect(kills).toBeGreaterThan(2);
      assertOneOutcomeEach(out);
      expect(tree(out)).toEqual(tree(undisturbed));
    },
    60_000,
  );

  it("told to stop by SIGTERM, finishes what is in flight and says so", async () => {
    const out = join(folder, "terminated");

    const stopped = await runChild(out, { concurrency: 2, signal: "SIGTERM", afterItems: 30 });
    const resumed = await runChild(out, { concurrency: 2 });

    expect(stopped.ended).toContain('"status":"cancelled"');
    expect(stopped.items).toBeLessThan(60);
    expect(stopped.items + resumed.items).toBe(imageCount);
    assertOneOutcomeEach(out);
    expect(tree(out)).toEqual(tree(undisturbed));
  }, 30_000);
});

interface Killing {
  readonly concurrency: number;
  readonly signal?: NodeJS.Signals;
  readonly afterMs?: number;
  readonly afterItems?: number;
}

function runChild(out: string, killing: Killing): Promise<{ ended: string | undefined; items: number }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, source, out, String(killing.concurrency)]);
    let printed = "";
    let complaints = "";
    // Once: the second SIGTERM would end it at once, as it should.
    const kill = () => child.killed || child.kill(killing.signal);
    const timer = killing.afterMs === undefined ? undefined : setTimeout(kill, killing.afterMs);
    child.stdout.on("data", (text: Buffer) => {
      printed += text.toString();
      if (killing.afterItems !== undefined && dots(printed) >= killing.afterItems) kill();
    });
    child.stderr.on("data", (text: Buffer) => {
      complaints += text.toString();
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (signal === null && code !== 0) reject(new Error(complaints));
      else resolve({ ended: signal === null ? printed.trim().split("\n").at(-1) : undefined, items: dots(printed) });
    });
  });
}

function dots(printed: string): number {
  return printed.split("\n")[0]?.length ?? 0;
}

function assertNoHalfResult(out: string): void {
  for (const path of files(out).filter((path) => path.endsWith("/metadata.json"))) {
    const metadata = JSON.parse(readFileSync(path, "utf8"));
    for (const { name, bytes } of metadata.files) {
      expect(readFileSync(path.replace(/metadata\.json$/, name)).length).toBe(bytes);
    }
  }
}

function assertOneOutcomeEach(out: string): void {
  const report: RunReport = JSON.parse(readFileSync(join(out, "report.json"), "utf8"));
  const keys = readFileSync(join(out, report.items_file), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).key);
  expect(keys).toHaveLength(imageCount);
  expect(new Set(keys).size).toBe(imageCount);
  expect(report.items).toMatchObject({ total: imageCount, rejected: badCount, pending: 0 });
  expect(report.items.segmented + report.items.skipped).toBe(imageCount - badCount);
}

function tree(out: string): Record<string, string> {
  const results = files(out).filter((path) => !relative(out, path).startsWith("report"));
  return Object.fromEntries(results.map((path) => [relative(out, path), readFileSync(path).toString("base64")]));
}

function files(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes(".clustseg"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function seededRandom(seed: number): () => number {
  let state = seed * 2654435761;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
