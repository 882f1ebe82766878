import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { wantedAssets } from "../../infra/app.js";
import { standInAssets } from "./support/synth.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { context } = JSON.parse(readFileSync(path.join(root, "cdk.json"), "utf8"));

/** Runs the app as `cdk` does: the context in the environment, the template in a folder. */
async function synthesise(given: object): Promise<{ code: number | null; stderr: string; out: string }> {
  const out = mkdtempSync(path.join(tmpdir(), "clustseg-app-"));
  const child = spawn(process.execPath, ["scripts/cloud-app.mjs"], {
    cwd: root,
    env: {
      ...process.env,
      CDK_VALIDATION: "false",
      CDK_OUTDIR: out,
      CDK_CONTEXT_JSON: JSON.stringify({ ...context, assets: standInAssets(), ...given }),
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, stderr, out };
}

function configFile(config: object): string {
  const file = path.join(mkdtempSync(path.join(tmpdir(), "clustseg-config-")), "mine.json");
  writeFileSync(file, JSON.stringify(config));
  return file;
}

describe("the app that cdk.json names", () => {
  test("synthesises prod, with nothing for cdk-nag to say", async () => {
    const { code, out } = await synthesise({ environment: "prod", nag: "true" });

    expect(code).toBe(0);
    const { Resources } = JSON.parse(readFileSync(path.join(out, "clustseg-prod.template.json"), "utf8"));
    expect(Object.keys(Resources).length).toBeGreaterThan(50);
    const [report = ""] = readdirSync(out).filter((name) => name.endsWith("NagReport.csv"));
    const lines = readFileSync(path.join(out, report), "utf8").trim().split("\n");
    expect(lines.length).toBeGreaterThan(50);
    expect(lines.filter((line) => line.includes('"Non-Compliant"'))).toEqual([]);
    // Alerts of cdk-nag, as of any aspect, stand in the manifest.
    const metadata = readdirSync(out).filter((name) => /metadata|manifest/.test(name));
    for (const file of metadata) expect(readFileSync(path.join(out, file), "utf8")).not.toContain("aws:cdk:error");
  }, 120_000);

  test("takes a configuration by name", async () => {
    const { code, out } = await synthesise({ config: configFile({ environment: "lab", quick: "off" }) });

    expect(code).toBe(0);
    expect(existsSync(path.join(out, "clustseg-lab.template.json"))).toBe(true);
  }, 120_000);

  test.each([
    [{}, { models: ["clustseg-superpixel"], quick: true }],
    [
      {
        quick: "off",
        pipelines: ["street", "photo", "street"].map((model, i) => ({ name: `p${i}`, model: `clustseg-${model}` })),
      },
      { models: ["clustseg-photo", "clustseg-street"], quick: false },
    ],
    [{ quick: "perhaps" }, undefined],
  ])("has the bundles made that pipelines name, and no others: %j", (environment, expected) => {
    expect(wantedAssets({ environment: "dev", environments: { dev: environment } })).toEqual(expected);
  });

  test.each<[string, object, string]>([
    [
      "results that would be uploads",
      {
        config: configFile({ buckets: { uploads: { name: "photos" }, results: { name: "photos", prefix: "masks/" } } }),
      },
      "buckets.results.name: results may not go into the uploads bucket",
    ],
    ["an environment that is not there", { environment: "test" }, "Write one of dev, prod"],
    ["assets that are not built", { assets: tmpdir() }, "Run npm run build:cloud"],
  ])(
    "refuses %s, in words and without a stack trace",
    async (_, given, expected) => {
      const { code, stderr } = await synthesise(given);

      expect(code).toBe(1);
      expect(stderr).toContain(expected);
      expect(stderr).not.toMatch(/^\s+at /m);
    },
    120_000,
  );
});
