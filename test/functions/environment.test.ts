import { describe, expect, it } from "vitest";
import { readEnvironment } from "../../functions/environment.js";
import { pipelinesSchema } from "../../layers/pipeline/cloud-contracts.js";
import { blocks } from "./in-process-cloud.js";

const places = {
  CLUSTSEG_UPLOADS: "s3://ins",
  CLUSTSEG_STAGING: "s3://work/staging/",
  CLUSTSEG_RESULTS: "s3://out/results",
};

describe("the environment of a function", () => {
  it("is parsed, with defaults", () => {
    const environment = { ...places, CLUSTSEG_PIPELINES: JSON.stringify([blocks]), CLUSTSEG_QUICK: '{"maxImages":3}' };

    expect(
      readEnvironment(environment, [
        "uploads",
        "staging",
        "results",
        "pipelines",
        "quick",
        "shard",
        "failureBudget",
        "eventBus",
      ]),
    ).toEqual({
      uploads: "s3://ins/",
      staging: "s3://work/staging/",
      results: "s3://out/results/",
      pipelines: [blocks],
      quick: { maxImages: 3, maxBytes: 52_428_800 },
      shard: { items: 1024, bytes: 2 ** 31 },
      failureBudget: {},
      eventBus: "default",
    });
  });

  it('has no quick path when that is "off"', () => {
    expect(readEnvironment({ CLUSTSEG_QUICK: "off" }, ["quick"]).quick).toBeUndefined();
  });

  it("needs only what the function names", () => {
    expect(readEnvironment({}, ["provider", "models"])).toEqual({ provider: "cpu", models: undefined });
  });

  it("tells every variable that is wrong, by its name", () => {
    const read = () =>
      readEnvironment({ CLUSTSEG_STAGING: "work", CLUSTSEG_PIPELINES: "[]", CLUSTSEG_SHARD: "{" }, [
        "staging",
        "results",
        "pipelines",
        "shard",
      ]);

    expect(read).toThrow(
      /CONFIG|CLUSTSEG_STAGING: Write s3.*CLUSTSEG_RESULTS: .*CLUSTSEG_PIPELINES: .*CLUSTSEG_SHARD: It is not JSON/,
    );
  });

  it.each([
    ["results in the uploads bucket", { ...places, CLUSTSEG_RESULTS: "s3://ins/results/" }],
    ["staging in the uploads bucket", { ...places, CLUSTSEG_STAGING: "s3://ins/staging/" }],
    ["results within staging", { ...places, CLUSTSEG_RESULTS: "s3://work/staging/results/" }],
    ["staging within results", { ...places, CLUSTSEG_STAGING: "s3://out/results/x/" }],
  ])("is refused with %s", (_, environment) => {
    expect(() => readEnvironment(environment, ["uploads", "staging", "results"])).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID" }),
    );
  });
});

describe("pipelines", () => {
  it.each([
    ["none", []],
    ["two of one name", [blocks, { ...blocks, parameters: { block: 9 } }]],
    ["two of one recipe", [blocks, { ...blocks, name: "other" }]],
    ["a name that is no part of a key", [{ ...blocks, name: "../x" }]],
    ["a checksum that is none", [{ ...blocks, model: { ...blocks.model, sha256: "x" } }]],
  ])("may not be %s", (_, pipelines) => {
    expect(pipelinesSchema.safeParse(pipelines).success).toBe(false);
  });
});
