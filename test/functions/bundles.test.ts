import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildFunctions, checkQuickSize, functions, lambdaBytes } from "../../scripts/build-cloud.mjs";
import { blocks } from "./in-process-cloud.js";

/** Below the repository, as the SDK is looked for from there; not where what is deployed lies. */
const folder = join(process.cwd(), "dist", `functions-${process.pid}`);
const orchestrating = Object.keys(functions).filter((name) => name !== "quick");
const maxBytes = 300_000;
const maxLoadMs = 100;

/** As the stack sets it. */
const environment = {
  PATH: process.env["PATH"],
  AWS_REGION: "eu-central-1",
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  AWS_LAMBDA_FUNCTION_NAME: "test",
  CLUSTSEG_UPLOADS: "s3://uploads/",
  CLUSTSEG_STAGING: "s3://staging/",
  CLUSTSEG_RESULTS: "s3://results/",
  CLUSTSEG_PIPELINES: JSON.stringify([blocks]),
  CLUSTSEG_STATE_MACHINE_ARN: "arn:aws:states:eu-central-1:111122223333:stateMachine:clustseg",
};

describe("the bundles of the functions", () => {
  beforeAll(() => buildFunctions(folder), 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(Object.keys(functions))("%s is small, and has no source of ours or of anybody's machine in it", (name) => {
    const file = join(folder, name, "index.mjs");

    expect(statSync(file).size).toBeLessThan(maxBytes);
    expect(readFileSync(file, "utf8")).not.toContain(process.cwd());
    expect(existsSync(`${file}.map`)).toBe(false);
  });

  it.each(orchestrating)("%s loads within 100 ms of what Lambda's runtime takes anyway", (name) => {
    const own = loadMs(name);

    expect(own).toBeLessThan(maxLoadMs);
  });

  it("quick carries the worker that owns the graph, and leaves native packages to the layer", () => {
    const quick = join(folder, "quick");

    expect(existsSync(join(quick, "worker.js"))).toBe(true);
    for (const file of ["index.mjs", "worker.js"]) {
      expect(readFileSync(join(quick, file), "utf8")).not.toMatch(/from\s*"(?:sharp|onnxruntime-node)"/);
    }
  });

  it("quick with its layers is refused when Lambda would not take it, with what to do", () => {
    const parts = ["functions/quick", "layers/native", "layers/models/models/large"].map((name) =>
      join(folder, "size", name),
    );
    for (const part of parts) mkdirSync(part, { recursive: true });
    const graph = join(parts[2]!, "model.onnx");

    writeFileSync(graph, "");
    truncateSync(graph, lambdaBytes);
    expect(() => checkQuickSize(join(folder, "size"))).not.toThrow();
    truncateSync(graph, lambdaBytes + 1);
    expect(() => checkQuickSize(join(folder, "size"))).toThrow(/"quick": "off"/);
  });

  it.each([...orchestrating, "quick"])("%s tells what is wrong with its environment as it starts", (name) => {
    const { CLUSTSEG_PIPELINES: _, ...incomplete } = environment;
    const file = join(folder, name, "index.mjs");

    expect(() =>
      execFileSync(process.execPath, ["--input-type=module", "-e", `await import(${JSON.stringify(file)})`], {
        env: incomplete,
        stdio: "pipe",
      }),
    ).toThrow(/CLUSTSEG_PIPELINES/);
  });
});

/**
 * Milliseconds that the module takes to load in a fresh process, the SDK's clients loaded before: the runtime has those, and
 * what they take is theirs. Of time and CPU time the less, and of several runs the least, as other tests run beside this.
 */
function loadMs(name: string): number {
  const file = join(folder, name, "index.mjs");
  const sdk = ["client-s3", "client-sfn", "client-eventbridge"].map((client) => `await import("@aws-sdk/${client}");`);
  const script = `${sdk.join("")}
    const [began, used] = [performance.now(), process.cpuUsage()];
    const { handler } = await import(${JSON.stringify(file)});
    if (typeof handler !== "function") throw new Error("no handler");
    const { user, system } = process.cpuUsage(used);
    console.log(Math.min(performance.now() - began, (user + system) / 1000));`;
  const times = Array.from({ length: 3 }, () =>
    Number(
      execFileSync(process.execPath, ["--input-type=module", "-e", script], { env: environment, encoding: "utf8" }),
    ),
  );
  return Math.min(...times);
}
