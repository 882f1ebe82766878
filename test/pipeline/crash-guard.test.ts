import { describe, expect, it } from "vitest";
import { intake } from "../../layers/pipeline/intake.js";
import { stagingKeys } from "../../layers/pipeline/keys.js";
import { plan } from "../../layers/pipeline/plan.js";
import type { Segmenter } from "../../layers/pipeline/ports.js";
import { publishShard } from "../../layers/pipeline/publish-shard.js";
import { type ShardProgress, segmentShard } from "../../layers/pipeline/segment-shard.js";
import { blockSegmenter } from "./block-segmenter.js";
import { storesWith } from "./fixtures.js";

describe("a shard with an image at which the program dies", () => {
  it("is completed all the same: the image is rejected, and no other", async () => {
    const { stores, staging, request, attempt } = await prepare(120, ["a/003.png", "a/077.png"]);

    const ends: (ShardProgress | "died")[] = [];
    while (ends.length < 10 && (ends.length === 0 || ends.at(-1) === "died")) ends.push(await attempt());
    await publishShard({ stores, request, shard: "00000" });

    expect(ends.at(-1)).toMatchObject({ complete: true });
    // Once without suspicion, twice with each image alone in hand, and once more behind the first.
    expect(ends.length).toBeLessThanOrEqual(7);
    const outcomes = (await staging.text(stagingKeys(request.run_id).shardOutcomes("00000"))).trim().split("\n");
    const rejected = outcomes.map((line) => JSON.parse(line)).filter(({ status }) => status === "rejected");
    expect(rejected.map(({ key, error }) => [key, error.code])).toEqual([
      ["a/003.png", "ITEM_CRASHED"],
      ["a/077.png", "ITEM_CRASHED"],
    ]);
    expect(await staging.head(stagingKeys(request.run_id).attempt("00000"))).toBeUndefined();
  }, 30_000);

  it("is gone on with several images at a time once those are through that were in hand", async () => {
    const { attempt, most } = await prepare(150, [], { dieAfter: 2, grows: Number.POSITIVE_INFINITY });

    expect(await attempt()).toBe("died");
    expect(await attempt()).toMatchObject({ complete: true });

    // Since that attempt began.
    expect(most()).toBe(2);
  });
});

describe("a shard that was killed from outside", () => {
  it("rejects nothing, however often", async () => {
    const { stores, request, attempt } = await prepare(40, [], { dieAfter: 9 });

    let end: ShardProgress | "died" = "died";
    for (let i = 0; i < 30 && end === "died"; i++) end = await attempt();

    expect(end).toMatchObject({ complete: true, done: 40 });
    expect(await publishShard({ stores, request, shard: "00000" })).toEqual({ outcomes: 40, missing: 0 });
  });
});

/**
 * @param deadly images at which an attempt dies
 * @param options.dieAfter images that the first attempt lives through; the next `grows` times as many, by default half as many more
 */
async function prepare(count: number, deadly: readonly string[], options: { dieAfter?: number; grows?: number } = {}) {
  const made = await storesWith(count);
  const real = blockSegmenter();
  const request = await intake({
    stores: made.stores,
    source: { kind: "prefix", prefix: "" },
    model: real.model,
    task: "superpixel",
    parameters: { block: 8 },
  });
  await plan({ stores: made.stores, request });
  let atOnce = 0;
  let most = 0;
  let life = options.dieAfter ?? Number.POSITIVE_INFINITY;

  /** One process: when it dies nothing that it has begun goes on. */
  const attempt = () =>
    new Promise<ShardProgress | "died">((resolve, reject) => {
      let dead = false;
      most = 0;
      let seen = 0;
      const forEver = new Promise<never>(() => {});
      const alive = <T>(value: T): T | Promise<never> => (dead ? forEver : value);
      const staging = new Proxy(made.staging, {
        get: (target, name) => {
          const value = Reflect.get(target, name, target);
          if (typeof value !== "function") return value;
          return (...args: unknown[]) => alive(dead ? undefined : value.apply(target, args));
        },
      });
      const segmenter: Segmenter = {
        model: real.model,
        process: async (bytes, asked) => {
          if (deadly.includes(asked.name ?? "") || ++seen > life) {
            dead = true;
            life *= options.grows ?? 1.5;
            resolve("died");
          }
          most = Math.max(most, ++atOnce);
          await alive(undefined);
          const image = await real.process(bytes, asked);
          atOnce--;
          return image;
        },
      };
      segmentShard({
        stores: { ...made.stores, staging },
        request,
        segmenter,
        shard: "00000",
        packItems: 8,
        crashGuard: true,
      }).then(resolve, reject);
    }).finally(() => {
      atOnce = 0;
    });
  return { ...made, request, attempt, most: () => most };
}
