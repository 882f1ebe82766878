import { expect, it } from "vitest";
import { stepsToJson } from "../../layers/segments/steps.js";

it("steps.json tells the frames' size and number, and each cluster's seed and class, null where there is none", () => {
  const text = stepsToJson({
    width: 4,
    height: 2,
    steps: 3,
    frames: new Uint16Array(24),
    seeds: [undefined, [0.25, 1 / 3]],
    clusters: [{ categoryId: 3, score: 0.123456 }, undefined],
  });

  expect(text).toBe(
    '{"schema":"clustseg.steps/1","width":4,"height":2,"steps":3,"seeds":[null,[0.25,0.3333]],' +
      '"clusters":[{"category_id":3,"score":0.1235},null]}\n',
  );
});
