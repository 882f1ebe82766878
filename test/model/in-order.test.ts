import { describe, expect, test } from "vitest";
import { inOrder } from "../../layers/model/in-order.js";

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("inOrder", () => {
  test("gives results in the order of the items, whichever is done first, and works on as many as allowed", async () => {
    let [now, most] = [0, 0];
    const results: number[] = [];
    const work = async (item: number): Promise<number> => {
      most = Math.max(most, ++now);
      await later(20 - item);
      now--;
      return item * 10;
    };

    for await (const result of inOrder([1, 9, 2, 8, 3, 7], 3, work)) results.push(result);

    expect(results).toEqual([10, 90, 20, 80, 30, 70]);
    expect(most).toBe(3);
  });

  test("when one fails, begins no other and waits for those under way", async () => {
    const begun: number[] = [];
    let done = 0;
    const work = async (item: number): Promise<number> => {
      begun.push(item);
      await later(item === 1 ? 1 : 10);
      if (item === 1) throw new Error("one");
      return ++done;
    };
    const all = async () => {
      for await (const _ of inOrder([0, 1, 2, 3, 4, 5], 2, work));
    };

    await expect(all()).rejects.toThrow("one");
    expect(begun).toEqual([0, 1, 2]);
    expect(done).toBe(2);
  });

  test("when nobody wants more, waits for those under way", async () => {
    let done = 0;
    const work = async (item: number): Promise<number> => {
      await later(item);
      return ++done;
    };

    for await (const _ of inOrder([1, 5, 5, 5], 3, work)) break;

    expect(done).toBe(3);
  });
});
