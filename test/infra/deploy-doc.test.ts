import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readArguments } from "../../functions/segment/arguments.js";
import { parseConfig } from "../../infra/read-config.js";
import { resolveRecipes } from "../../infra/recipes.js";
import { inProcess, root } from "../bin/cli.js";
import { models, ofType, synth, type Template } from "./support/synth.js";

const text = readFileSync(path.join(root, "docs/deploy.md"), "utf8");

describe("docs/deploy.md", () => {
  let template: Template;
  beforeAll(async () => {
    template = await synth();
  }, 60_000);

  const blocks = [...text.matchAll(/```json\n([\s\S]*?)```/g), ...text.matchAll(/echo '(\{.*\})' > mine\.json/g)].map(
    ([, json = ""]) => json,
  );

  test("has configurations to copy", () => {
    expect(blocks.length).toBeGreaterThanOrEqual(7);
  });

  test.each(blocks)("shows a configuration that can be deployed: %s", async (json) => {
    const { pipelines } = parseConfig(JSON.parse(json));

    await expect(resolveRecipes(pipelines, models)).resolves.toHaveLength(pipelines.length);
  });

  const commands = [...text.matchAll(/(?:npx |`)clustseg ([a-z]+)((?: [^`#&|\n]*)?)/g)].map(
    ([, command = "", rest = ""]) => [command, [...rest.matchAll(/--[a-z-]+/g)].map(([option]) => option)] as const,
  );

  test("names commands that there are, with options that they take", async () => {
    expect(new Set(commands.map(([command]) => command)).size).toBeGreaterThanOrEqual(7);
    for (const [command, options] of commands) {
      const { code, stdout } = await inProcess(root, command, "--help");
      expect([command, code]).toEqual([command, 0]);
      for (const option of options) expect(stdout, `${command} ${option}`).toContain(option);
    }
  });

  test("names outputs, a job definition and defaults as they are", () => {
    for (const name of ["NextSteps", "BucketsKept", "DashboardUrl"]) {
      expect(text).toContain(name);
      expect(Object.keys(template.Outputs)).toContain(name);
    }
    const { quick, compute, buckets, network } = parseConfig({});
    expect(text).toContain(`--job-definition ${template.Outputs["JobDefinitionName"]?.Value}`);
    expect(text).toContain(`up to ${quick !== "off" && quick.maxImages} images`);
    expect(compute.waitMinutes).toBe(4 * 60);
    expect(text).toContain("given up after four hours");
    expect(text).toContain(`within ${buckets.stagingDays} days`);
    expect(text).toContain(`for ${buckets.oldVersionsDays} days`);
    expect([network.zones, network.access]).toEqual([3, "public-ip"]);
  });

  test("gives the container words that it understands, where a job is submitted by hand", () => {
    const given = [...text.matchAll(/--container-overrides '?command=([^\s'`]+)'?/g)].map(([, list = ""]) =>
      list.split(","),
    );

    expect(given).toHaveLength(1);
    for (const words of given) expect(readArguments(words)).toBe("check");
  });

  test("counts what CloudWatch bills: the metrics of alarms, and our own", () => {
    const alarms = Object.values(ofType(template, "AWS::CloudWatch::Alarm")).map(({ Properties }) => Properties);
    // An alarm on an expression is billed by the metrics in it; one on a plain metric has that.
    const watched = alarms.map(({ Metrics }) => Metrics?.filter((one: object) => "MetricStat" in one).length ?? 1);
    const alarmMetrics = watched.reduce((sum, count) => sum + count, 0);
    const own = ownMetrics();
    const said = text.replaceAll(/\s+/g, " ");

    expect(alarms).toHaveLength(6);
    expect(said).toContain(
      `six alarms on ${alarmMetrics} metrics together ($0.10 a metric, $${(alarmMetrics * 0.1).toFixed(2)} a month)`,
    );
    expect(own).toContain("SecondsPerImage");
    expect(said).toContain(`up to ${own.length} custom metrics cost $0.30 a month each`);
    expect(said).toContain(`($${(own.length * 0.3).toFixed(2)} if that is always)`);
  });

  test.each([
    ["Fargate, 4 vCPUs, On-Demand", ["--compute", "fargate"]],
    ["Fargate, Spot", ["--compute", "fargate", "--spot"]],
    ["c7i.xlarge, Spot", ["--compute", "cpu", "--spot"]],
    ["g4dn.xlarge, Spot", ["--compute", "gpu", "--spot"]],
  ])("states the dollars that `clustseg estimate` prints: %s", async (row, words) => {
    const asked = ["--images", "100000", "--megapixels", "1", "--model", "clustseg-superpixel", ...words];
    const { stdout } = await inProcess(root, "estimate", ...asked);
    const [, all, machines, requests] =
      /dollars\s+(\$[\d.]+): machines (\$[\d.]+), S3 requests (\$[\d.]+)/.exec(stdout) ?? [];

    expect(text).toContain(`| ${row} | ${machines} | ${all} |`);
    expect(text).toContain(`Requests to S3, ${requests} of it`);
    expect(stdout).toContain(`us-east-1, ${/as of ([\d-]+)/.exec(text)?.[1]};`);
  });

  test("names files that are there", () => {
    for (const [, link = ""] of text.matchAll(/\]\(([^)#]+)\)/g)) {
      expect(() => readFileSync(path.join(root, "docs", link)), link).not.toThrow();
    }
  });
});

/** Names of the metrics that functions and container write, of which each stack has one each. */
function ownMetrics(): readonly string[] {
  const folder = path.join(root, "functions");
  const sources = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  const calls = sources.flatMap((file) =>
    readFileSync(path.join(folder, file), "utf8").match(/\b(?:countMetric|addMetric)\([^;]*;/g),
  );
  const names = calls.flatMap((call) => [...(call ?? "").matchAll(/"([A-Z]\w+)"/g)].map(([, name = ""]) => name));
  return [...new Set(names)];
}
