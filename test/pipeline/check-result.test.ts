import { describe, expect, it } from "vitest";
import { checkResult } from "../../layers/pipeline/check-result.js";
import type { ResultMetadata } from "../../layers/pipeline/contracts.js";
import { segmentMapFromIds } from "../../layers/segments/segment-map.js";
import { MemoryStore } from "./memory-store.js";

const bytes = (text: string) => new TextEncoder().encode(text);

/** A result of 4 x 1 pixels in two segments; its "PNG" is the digits of its ids. */
async function result(changes: Partial<ResultMetadata> = {}, ids = "1122") {
  const store = new MemoryStore();
  await store.put("segments.png", bytes(ids));
  const segment = (id: number, x: number) =>
    ({ id, area: 2, bbox: [x, 0, 2, 1], centroid: [x + 0.5, 0], color: [0, 0, 0] }) as unknown;
  const metadata = {
    frame: { width: 4, height: 1 },
    segments: 2,
    segments_info: [segment(1, 0), segment(2, 2)],
    categories: [],
    files: [{ name: "segments.png", bytes: 4 }],
    ...changes,
  } as unknown as ResultMetadata;
  const checks = await checkResult(store, metadata, async (png) => {
    const ids = Uint16Array.from(new TextDecoder().decode(png), Number);
    return segmentMapFromIds(ids, ids.length, 1);
  });
  return checks.filter(({ ok }) => !ok).map(({ what, found }) => `${what}: ${found}`);
}

const grass = { id: 3, name: "grass", isthing: false, color: [0, 99, 0] as [number, number, number] };
const classed = (first: number, second: number, task = "panoptic"): Partial<ResultMetadata> => ({
  task,
  categories: [grass, { ...grass, id: 4, name: "cow", isthing: true }],
  segments_info: [
    { id: 1, area: 2, bbox: [0, 0, 2, 1], category_id: first, isthing: false, score: 0.5 },
    { id: 2, area: 2, bbox: [2, 0, 2, 1], category_id: second, isthing: false, score: 0.5 },
  ],
});

describe("a result", () => {
  it("agrees with itself when it is whole", async () => {
    expect(await result()).toEqual([]);
  });

  it("agrees with itself when its segments have classes of its list", async () => {
    expect(await result(classed(3, 3))).toEqual([]);
    expect(await result(classed(3, 4, "semantic"))).toEqual([]);
  });

  it.each([
    ["a class that is not in the list", classed(3, 5), "1122", /segment 2 has 5/],
    ["a semantic class in two segments", classed(3, 3, "semantic"), "1122", /a class has two segments/],
    ["ids with gaps", {}, "1133", /without gaps/],
    ["another area", {}, "1222", /segment 1 has 1 pixels/],
    ["another number of segments", { segments: 3 }, "1122", /2 instead of 3/],
    ["another frame", { frame: { width: 2, height: 2 } }, "1122", /4 x 1 instead of 2 x 2/],
    ["a file of another size", { files: [{ name: "segments.png", bytes: 5 }] }, "1122", /has 4 bytes instead of 5/],
    ["a file that is missing", { files: [{ name: "mean.png", bytes: 5 }] }, "1122", /mean\.png is missing/],
    ["a file elsewhere", { files: [{ name: "../secret", bytes: 4 }] }, "1122", /secret is missing/],
  ])("does not agree with itself with %s", async (_, changes, ids, found) => {
    const wrong = await result(changes, ids);

    expect(wrong).toHaveLength(1);
    expect(wrong[0]).toMatch(found);
  });
});
