import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareKeys } from "../../layers/pipeline/keys.js";
import { OpenPrefixes } from "../../layers/pipeline/open-prefixes.js";
import { orderedMap } from "../../layers/pipeline/ordered-map.js";
import { gather } from "./fixtures.js";

describe("OpenPrefixes", () => {
  it("knows each beginning that a key in order can still have, as a set of all would", () => {
    const keys = fc.uniqueArray(
      fc.string({ unit: fc.constantFrom("a", "b", ".", "-", "é"), minLength: 1, maxLength: 6 }),
    );
    fc.assert(
      fc.property(keys, (keys) => {
        const prefixes = new OpenPrefixes();
        const all = new Set<string>();
        for (const key of keys.sort(compareKeys)) {
          prefixes.passTo(key);
          const beginnings = [...key].map((_, i) => [...key].slice(0, i + 1).join(""));
          for (const beginning of beginnings) expect(prefixes.isOpen(beginning)).toBe(all.has(beginning));
          const last = key.slice(0, key.lastIndexOf(".") + 1);
          expect(prefixes.open(last)).toBe(!all.has(last));
          all.add(last);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("orderedMap", () => {
  it("gives results in the order of the values, and works on so many at once and no more", async () => {
    let working = 0;
    let most = 0;
    const delays = [9, 1, 5, 0, 7, 2, 0, 4];
    const results = orderedMap(delays.entries(), 3, async ([i, ms]) => {
      most = Math.max(most, ++working);
      await new Promise((resolve) => setTimeout(resolve, ms));
      working--;
      return i;
    });
    expect(await gather(results)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(most).toBe(3);
  });

  it("throws the first error, once all that had begun has ended, and begins nothing more", async () => {
    const begun: number[] = [];
    const ended: number[] = [];
    const results = orderedMap([0, 1, 2, 3, 4, 5], 3, async (i) => {
      begun.push(i);
      await new Promise((resolve) => setTimeout(resolve, 3 * (6 - i)));
      ended.push(i);
      if (i > 0) throw new Error(`of ${i}`);
      return i;
    });
    const got: number[] = [];
    const all = (async () => {
      for await (const i of results) got.push(i);
    })();
    await expect(all).rejects.toThrow("of 1");
    expect(got).toEqual([0]);
    expect(ended.sort()).toEqual(begun.sort());
    expect(begun.length).toBeLessThan(6);
  });

  it("ends what had begun when nobody takes more", async () => {
    let working = 0;
    for await (const _ of orderedMap([0, 1, 2, 3, 4, 5], 3, async () => {
      working++;
      await new Promise((resolve) => setTimeout(resolve, 2));
      working--;
    })) {
      break;
    }
    expect(working).toBe(0);
  });
});
