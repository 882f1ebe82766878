import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { shardNameOf, stagingKeys } from "../../layers/pipeline/keys.js";
import { countsNamed, outcomesNamed, packNamed } from "../../layers/pipeline/staged-names.js";

const keys = stagingKeys("r-1");

describe("the names of what lies in staging", () => {
  it("say what was written under them", () => {
    fc.assert(
      fc.property(fc.nat(200_000), fc.nat(20_000), fc.nat(), fc.nat(), (index, pack, segmented, rejected) => {
        const shard = shardNameOf(index);
        expect(packNamed(keys.pack(shard, pack))).toEqual({ shard, pack });
        expect(outcomesNamed(keys.packOutcomes(shard, pack))).toEqual({ of: "pack", shard, pack });
        expect(outcomesNamed(keys.shardOutcomes(shard))).toEqual({ of: "shard", shard });
        expect(outcomesNamed(keys.skipped(index))).toEqual({ of: "skipped" });
        expect(countsNamed(keys.shardCounts(shard, segmented, rejected))).toEqual({ shard, segmented, rejected });
        expect(keys.pack(shard, pack).startsWith(keys.shardPacks(shard))).toBe(true);
      }),
    );
  });

  it("say one thing each", () => {
    const written = [keys.pack("00000", 0), keys.shardOutcomes("00000"), keys.shardCounts("00000", 1, 2)];

    const said = (key: string) =>
      [packNamed(key), outcomesNamed(key), countsNamed(key)].map((one) => one !== undefined);
    expect(written.map(said)).toEqual([
      [true, false, false],
      [false, true, false],
      [false, false, true],
    ]);
  });

  it.each([
    "outcomes/packs/x.jsonl",
    "outcomes/packs/00000/0000.pack",
    "outcomes/packs/00000/0000.jsonl",
    "outcomes/00000/packs/0.jsonl",
    "outcomes/00000/packs/0000.jsonl",
    "outcomes/00000/0000.jsonl/packs/0000.jsonl",
    "outcomes/00000.jsonl/packs/00000.jsonl",
    "outcomes/skipped-00000.jsonl/packs/0000.pack",
    "outcomes/stop.json",
    "outcomes/0.jsonl",
    "outcomes/000000.jsonl",
    "outcomes/00000.jsonl\n",
    "counts/packs/9.0.100000",
    "counts/packs/00009.0.100000",
    "counts/stop.json",
    "packs/00000/attempt.json",
    "packs/00000/0000.jsonl",
    "packs/00000/00000.pack",
    "packs/00000/x/0000.pack",
    "packs/00000/packs/00000/0000.pack",
  ])("say nothing when they are not exactly as they are written: %j", (name) => {
    const key = `${keys.root}${name}`;

    expect([packNamed(key), outcomesNamed(key), countsNamed(key)]).toEqual([undefined, undefined, undefined]);
  });
});
