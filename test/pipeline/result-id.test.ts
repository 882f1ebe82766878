import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, type Json, resultIds, runIdOf, sha256Hex } from "../../layers/pipeline/result-id.js";

const recipe = {
  source: "s3://bucket/uploads/",
  model: { name: "m", version: "1.2.3", sha256: "ab".repeat(32) },
  task: "superpixel",
  parameters: { superpixels: 300, compactness: 0.5 },
  formats: ["overlay"],
};

describe("canonicalJson", () => {
  it("is JSON of the same value, whatever the order of members", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ noUnicodeString: false })), (value) => {
        const json = value as Json;
        const reversed = Object.fromEntries(Object.entries(value).reverse()) as Json;
        expect(JSON.parse(canonicalJson(json))).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(reversed)).toBe(canonicalJson(json));
      }),
    );
  });
});

describe("sha256Hex", () => {
  it("gives the test vector of FIPS 180", () => {
    expect(sha256Hex("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });
});

describe("resultIds", () => {
  it("hashes the documented canonical JSON", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), async (key, etag) => {
        const { source, model, task, parameters, formats } = recipe;
        const document = [source, key, etag, "m@1.2.3", model.sha256, task, parameters, formats, "clustseg.result/1"];
        const expected = createHash("sha256").update(canonicalJson(document)).digest("hex").slice(0, 32);
        expect(resultIds(recipe)({ key, etag })).toBe(expected);
      }),
      { numRuns: 30 },
    );
  });

  it("stays the same over releases", async () => {
    expect(resultIds(recipe)({ key: "a.jpg", etag: "e" })).toBe("dd41e70ca4c7ccc87a375756e650217a");
  });

  it("does not depend on whether an event told the version", async () => {
    const idOf = resultIds(recipe);
    expect(idOf({ key: "a", etag: "e", versionId: "v1" })).toBe(idOf({ key: "a", etag: "e" }));
    expect(idOf({ key: "a", etag: "", versionId: "v1" })).not.toBe(idOf({ key: "a", etag: "" }));
  });

  it.each([
    ["source", { source: "s3://other/" }],
    ["model version", { model: { ...recipe.model, version: "1.2.4" } }],
    ["graph", { model: { ...recipe.model, sha256: "cd".repeat(32) } }],
    ["task", { task: "semantic" }],
    ["parameters", { parameters: { superpixels: 301, compactness: 0.5 } }],
    ["formats", { formats: [] }],
  ])("differs with another %s", async (_, change) => {
    const item = { key: "a", etag: "e" };
    expect(resultIds({ ...recipe, ...change })(item)).not.toBe(resultIds(recipe)(item));
  });
});

describe("runIdOf", () => {
  it("is the same for the same, and differs with the selection and force", async () => {
    const id = runIdOf(recipe, { prefix: "a" }, false);
    expect(id).toMatch(/^r-[0-9a-f]{20}$/);
    expect(runIdOf({ ...recipe }, { prefix: "a" }, false)).toBe(id);
    expect(runIdOf(recipe, { prefix: "b" }, false)).not.toBe(id);
    expect(runIdOf(recipe, { prefix: "a" }, true)).not.toBe(id);
  });
});
