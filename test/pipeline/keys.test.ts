import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkImageKey, compareKeys, isImageKey, isResultKey, stagingKeys } from "../../layers/pipeline/keys.js";

const anyKey = fc.string({ minLength: 1, maxLength: 40, unit: "binary" });

describe("compareKeys", () => {
  it("orders as the UTF-8 bytes do", () => {
    fc.assert(
      fc.property(anyKey, anyKey, (a, b) => {
        expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
      {
        examples: [
          ["\uffee", "\u{1f600}"],
          ["a", "a/b"],
          ["a\u{1f600}", "a\ue000"],
        ],
      },
    );
  });
});

describe("isImageKey", () => {
  it.each(["a.jpg", "A.JPEG", "x/y.z/Photo 1.Tif", "%2F..png", "a\nb.webp"])("takes %j", (key) => {
    expect(isImageKey(key)).toBe(true);
  });
  it.each(["a", "a.txt", ".jpg", "x/.jpg", "jpg", "a.jpg/", "a.jpg.txt", "a.svg"])("leaves %j", (key) => {
    expect(isImageKey(key)).toBe(false);
  });
});

describe("isResultKey", () => {
  it.each([
    ["out/a.jpg/segments.png", true],
    ["a.PNG/overlay.jpg", true],
    ["segments.png", false],
    ["scans/segments.png", false],
    ["a.jpg/b.png", false],
  ])("of %j is %j", (key, expected) => {
    expect(isResultKey(key)).toBe(expected);
  });
});

describe("checkImageKey", () => {
  it("takes every key whose results fit into 1,024 bytes, and no other", () => {
    expect(() => checkImageKey("é".repeat(502))).not.toThrow();
    expect(() => checkImageKey("é".repeat(503))).toThrow("1006 bytes");
    expect(() => checkImageKey("a\ud800.png")).toThrow("not Unicode");
  });
});

describe("staging keys", () => {
  it("are those of the documented layout", () => {
    const keys = stagingKeys("r-1");
    expect([
      keys.request,
      keys.manifest,
      keys.shard("00002"),
      keys.pack("00002", 3),
      keys.shardOutcomes("00002"),
    ]).toEqual([
      "runs/r-1/request.json",
      "runs/r-1/manifest.jsonl",
      "runs/r-1/shards/00002.jsonl",
      "runs/r-1/packs/00002/0003.pack",
      "runs/r-1/outcomes/00002.jsonl",
    ]);
  });
});
