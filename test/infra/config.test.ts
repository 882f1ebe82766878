import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ConfigError, parseConfig, readConfig } from "../../infra/read-config.js";
import { resolveRecipes } from "../../infra/recipes.js";
import { pipelinesSchema } from "../../layers/pipeline/cloud-contracts.js";
import { models, synth } from "./support/synth.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

const messageOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error("nothing was thrown");
};

describe("the configuration", () => {
  test("is complete when nothing is written", () => {
    expect(parseConfig({})).toEqual({
      environment: "dev",
      stackName: "clustseg-dev",
      pipelines: [{ name: "superpixels", model: "clustseg-superpixel", formats: [] }],
      buckets: {
        uploads: { prefix: "" },
        staging: { prefix: "" },
        results: { prefix: "" },
        versioning: true,
        oldVersionsDays: 30,
        stagingDays: 14,
      },
      network: { subnetIds: [], access: "public-ip", zones: 3, cidr: "10.42.0.0/16" },
      compute: {
        kind: "gpu",
        spot: "first",
        instanceTypes: ["g4dn.xlarge", "g5.xlarge", "g6.xlarge", "g4dn.2xlarge", "g5.2xlarge", "g6.2xlarge"],
        maxVcpus: 16,
        vcpus: 4,
        memoryMib: 14_000,
        attempts: 5,
        timeoutMinutes: 60,
        waitMinutes: 240,
        cudaMajor: 12,
        dollarsPerHour: 0.526,
      },
      quick: { maxImages: 20, maxBytes: 52_428_800, memoryMib: 3008, timeoutSeconds: 300 },
      intake: { batchSize: 500, windowSeconds: 5 },
      shards: { items: 1000, bytes: 2_147_483_648, concurrency: 50, tolerated: 5 },
      failureBudget: { maxRatio: 0.5, ratioAfter: 100 },
      monitoring: { logDays: 30, tracing: true, queueMinutes: 15, rejectedPercent: 20, dashboard: true },
      terminationProtection: false,
      tags: {},
    });
  });

  test("takes defaults that fit the kind of compute", () => {
    expect(parseConfig({ compute: { kind: "fargate" } }).compute).toMatchObject({ memoryMib: 8192, instanceTypes: [] });
    expect(parseConfig({ compute: { kind: "cpu" } }).compute).toMatchObject({
      memoryMib: 7000,
      dollarsPerHour: 0.1785,
    });
    expect(parseConfig({ compute: { kind: "cpu" } }).compute.instanceTypes[0]).toBe("c7i.xlarge");
  });

  test("describes every prop and names its default", () => {
    const source = readFileSync(path.join(root, "infra/config.ts"), "utf8");
    const props = [...source.matchAll(/(\/\*\*(?:(?!\*\/)[\s\S])*\*\/)?\s*\n {2}readonly (\w+)\??:/g)];

    expect(props.length).toBeGreaterThan(50);
    for (const [, comment, name] of props) expect(comment, name).toContain("@default ");
  });

  test.each<[string, object, string]>([
    ["a number that is too large", { compute: { attempts: 99 } }, "compute.attempts: write at most 10: tries of a job"],
    ["text for a number", { compute: { attempts: "5" } }, "compute.attempts: write a whole number from 1 to 10"],
    ["a misspelt prop", { compute: { atempts: 5 } }, "compute: there is no such prop: atempts"],
    ["a word that is not known", { compute: { kind: "tpu" } }, 'compute.kind: write one of "gpu", "fargate", "cpu"'],
    ["text for yes", { terminationProtection: "yes" }, "terminationProtection: write true or false, without quotes"],
    ["no pipeline", { pipelines: [] }, "pipelines: write at least one pipeline"],
    [
      "a name with a slash",
      { pipelines: [{ name: "a/b", model: "m" }] },
      'pipelines[0].name: write something like "cells"',
    ],
    [
      "a staging that is emptied under a run",
      { buckets: { stagingDays: 2 } },
      "buckets.stagingDays: write at least 3: days that a run may take",
    ],
    ["a pipeline without model", { pipelines: [{ name: "a" }] }, "pipelines[0].model: write text like"],
    [
      "two pipelines of one name",
      {
        pipelines: [
          { name: "a", model: "m" },
          { name: "a", model: "n" },
        ],
      },
      'pipelines[1].name: write another name: "a" is taken',
    ],
    [
      "a prefix that does not end",
      { buckets: { uploads: { prefix: "in" } } },
      'buckets.uploads.prefix: write "" or a prefix that ends with "/"',
    ],
    [
      "a prefix that is a pattern",
      { buckets: { uploads: { prefix: "*/" } } },
      "buckets.uploads.prefix: leave out *, ? and $",
    ],
    [
      "a VPC without subnets",
      { network: { vpcId: "vpc-0a1b2c3d" } },
      "network.subnetIds: write the ids of the VPC's subnets",
    ],
    [
      "subnets without a VPC",
      { network: { subnetIds: ["subnet-0a0a0a0a"] } },
      "network.vpcId: write the id of the VPC",
    ],
    ["fewer vCPUs than a job takes", { compute: { maxVcpus: 2 } }, "compute.maxVcpus: write at least 4"],
    [
      "a size that Fargate lacks",
      { compute: { kind: "fargate", memoryMib: 5000 } },
      "compute.memoryMib: write one of 8192, 9216",
    ],
    [
      "instance types for Fargate",
      { compute: { kind: "fargate", instanceTypes: ["c7i"] } },
      "compute.instanceTypes: leave it out",
    ],
    ["days that CloudWatch lacks", { monitoring: { logDays: 31 } }, "monitoring.logDays: write one of 1, 3, 5"],
    ["a quick path that is half off", { quick: "none" }, 'quick: write "off", or {'],
    [
      "many uploads at once, at once",
      { intake: { windowSeconds: 0 } },
      "intake.windowSeconds: write at least 1, or a batchSize",
    ],
    [
      "an address that is none",
      { monitoring: { email: "me" } },
      'monitoring.email: write an address like "you@example.com"',
    ],
  ])("refuses %s and says what to write", (_, given, expected) => {
    expect(messageOf(() => parseConfig(given))).toContain(expected);
  });

  test("names everything that is wrong at once", () => {
    const message = messageOf(() => parseConfig({ compute: { vcpus: 0 }, shards: { items: 0 } }));

    expect(message).toContain("compute.vcpus");
    expect(message).toContain("shards.items");
    expect(message).toContain("infra/config.ts");
  });

  test("says which lines of CUDA there are", () => {
    expect(messageOf(() => parseConfig({ compute: { cudaMajor: 11 } }))).toContain("compute.cudaMajor: write 12 or 13");
  });

  test.each([
    [
      "results in the uploads bucket",
      { uploads: "photos", results: "photos" },
      "buckets.results.name: results may not go into the uploads bucket",
    ],
    [
      "staging in the uploads bucket",
      { uploads: "photos", staging: "photos" },
      "buckets.staging.name: staging may not lie in the uploads bucket",
    ],
    [
      "staging in the results bucket",
      { results: "masks", staging: "masks" },
      "buckets.staging.name: staging may not lie in the results bucket",
    ],
  ])("refuses %s, whatever the prefixes", (_, names, expected) => {
    const buckets = Object.fromEntries(
      Object.entries(names).map(([role, name]) => [role, { name, prefix: `${role}/` }]),
    );

    expect(messageOf(() => parseConfig({ buckets }))).toContain(expected);
  });
});

describe("environments", () => {
  const environments = { dev: { compute: { maxVcpus: 8 } }, prod: { tags: { owner: "lab" } } };

  test("are chosen by name, dev when none is given", () => {
    expect(readConfig({ environments })).toMatchObject({ stackName: "clustseg-dev", compute: { maxVcpus: 8 } });
    expect(readConfig({ environments, environment: "prod" })).toMatchObject({
      stackName: "clustseg-prod",
      tags: { owner: "lab" },
    });
  });

  test("that are not there are refused with those that are", () => {
    expect(messageOf(() => readConfig({ environments, environment: "test" }))).toContain("Write one of dev, prod");
    expect(messageOf(() => readConfig({ environments, environment: "toString" }))).toContain("Write one of dev, prod");
  });

  test("can be changed by a file, prop by prop", () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), "clustseg-config-")), "mine.json");
    writeFileSync(file, JSON.stringify({ compute: { kind: "fargate" }, quick: "off" }));

    const config = readConfig({ environments, config: file });

    expect(config).toMatchObject({ quick: "off", compute: { kind: "fargate", maxVcpus: 8 } });
    expect(messageOf(() => readConfig({ environments, config: `${file}.not` }))).toContain("cannot be read as JSON");
  });

  test("of cdk.json can be deployed, and name models that ship", async () => {
    const { context } = JSON.parse(readFileSync(path.join(root, "cdk.json"), "utf8"));

    for (const environment of ["dev", "prod"]) {
      const config = readConfig({ ...context, environment });
      const recipes = await resolveRecipes(config.pipelines, models);

      expect(recipes.length).toBeGreaterThan(0);
      expect(config.terminationProtection).toBe(environment === "prod");
    }
  });
});

describe("pipelines", () => {
  test("are written out with what the model says", async () => {
    const [recipe] = await resolveRecipes(
      [{ name: "sp", model: "clustseg-superpixel", formats: ["csv", "overlay", "csv"] }],
      models,
    );
    const manifest = JSON.parse(readFileSync(path.join(models, "clustseg-superpixel/model.json"), "utf8"));

    expect(recipe).toEqual({
      name: "sp",
      model: {
        name: "clustseg-superpixel",
        version: manifest.version,
        sha256: manifest.graph.sha256,
        tasks: ["superpixel"],
      },
      task: "superpixel",
      parameters: { superpixels: manifest.defaults.superpixels, min_area_ratio: manifest.defaults.min_area_ratio },
      formats: ["csv", "overlay"],
    });
    expect(pipelinesSchema.parse([recipe])).toEqual([recipe]);
  });

  test("that would do the same are refused, also when one writes the defaults out", async () => {
    const { superpixels } = JSON.parse(
      readFileSync(path.join(models, "clustseg-superpixel/model.json"), "utf8"),
    ).defaults;
    const twice = [
      { name: "a", model: "clustseg-superpixel", formats: [] },
      { name: "b", model: "clustseg-superpixel", formats: [], task: "superpixel", parameters: { superpixels } },
    ];

    await expect(resolveRecipes(twice, models)).rejects.toThrow('"b" does the same as "a"');
  });

  test.each([
    ["a model that is not there", { model: "nothing" }, "There is no model.json in"],
    ["a task that the model does not do", { task: "panoptic" }, 'does not do the task "panoptic"'],
    ["a parameter of another task", { parameters: { threshold: 0.5 } }, 'has no parameter "threshold"'],
    ["a parameter out of range", { parameters: { superpixels: 0 } }, "Expected a whole number from 1"],
    ["a format that is not there", { formats: ["gif"] }, 'There is no format called "gif"'],
  ])("with %s are refused by name", async (_, over, expected) => {
    const pipeline = { name: "cells", model: "clustseg-superpixel", formats: [], ...over };

    const refused = resolveRecipes([pipeline], models);

    await expect(refused).rejects.toThrow(ConfigError);
    await expect(refused).rejects.toThrow('pipelines[0] ("cells")');
    await expect(refused).rejects.toThrow(expected);
  });

  test("that are more than a function's variables can hold are refused", async () => {
    const many = Array.from({ length: 20 }, (_, index) => ({
      name: `p${index}`,
      model: "clustseg-superpixel",
      parameters: { superpixels: 100 + index },
    }));

    await expect(synth({ pipelines: many })).rejects.toThrow("pipelines: 20 are too many for one stack");
  }, 60_000);
});
