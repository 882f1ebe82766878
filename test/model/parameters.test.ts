import { describe, expect, test } from "vitest";
import { chooseTask, completeParameters } from "../../layers/model/parameters.js";

const defaults = {
  superpixels: 300,
  min_area_ratio: 0.1,
  threshold: 0.5,
  mask_threshold: 0.2,
  overlap_threshold: 0.8,
  min_area: 16,
};
const tensor = (name: string) => ({ name, type: "float32" as const, shape: [1] });
const graph = {
  file: "model.onnx",
  sha256: "0".repeat(64),
  bytes: 1,
  precision: "fp32" as const,
  opset: 17,
  inputs: [tensor("image"), tensor("mask_threshold")],
  outputs: [tensor("labels")],
};

describe("the parameters of a task", () => {
  test.each([
    ["superpixel", { superpixels: 300, min_area_ratio: 0.1 }],
    ["semantic", { mask_threshold: 0.2, min_area: 16 }],
    ["instance", { threshold: 0.5, mask_threshold: 0.2, overlap_threshold: 0.8, min_area: 16 }],
    ["panoptic", { threshold: 0.5, mask_threshold: 0.2, overlap_threshold: 0.8, min_area: 16 }],
  ] as const)("%s: those that have an effect on it, from the bundle where they are not given", (task, complete) => {
    expect(completeParameters(task, {}, { graph, defaults })).toEqual(complete);
  });

  test("those given win, and one that is undefined counts as not given", () => {
    const given = { threshold: 0, min_area: undefined, mask_threshold: 1 };

    expect(completeParameters("panoptic", given, { graph, defaults })).toEqual({
      threshold: 0,
      mask_threshold: 1,
      overlap_threshold: 0.8,
      min_area: 16,
    });
  });

  test("a graph that takes no mask_threshold has no such parameter", () => {
    const deaf = { graph: { ...graph, inputs: [tensor("image")] }, defaults };

    expect(completeParameters("semantic", {}, deaf)).toEqual({ min_area: 16 });
    expect(() => completeParameters("semantic", { mask_threshold: 0.5 }, deaf)).toThrow("mask_threshold");
  });

  test.each([
    [
      "one of another task",
      "semantic",
      { superpixels: 9 },
      'has no parameter "superpixels"',
      "min_area (a whole number",
    ],
    ["the other way round", "superpixel", { threshold: 0.5 }, 'has no parameter "threshold"', "superpixels"],
    ["one that nothing is told from", "semantic", { threshold: 0.5 }, 'has no parameter "threshold"', "mask_threshold"],
    ["one that no task has", "panoptic", { treshold: 0.5 }, '"treshold"', "threshold (a number from 0 to 1)"],
    [
      "one above its range",
      "panoptic",
      { threshold: 1.5 },
      "a number from 0 to 1 for threshold but received 1.5",
      "takes",
    ],
    ["one below its range", "panoptic", { overlap_threshold: -0.1 }, "overlap_threshold", "takes"],
    ["half a pixel", "semantic", { min_area: 0.5 }, "a whole number of pixels from 0 for min_area", "takes"],
    ["a text", "instance", { threshold: "0.5" }, 'but received "0.5"', "takes"],
    ["not a number", "instance", { threshold: Number.NaN }, "threshold", "takes"],
    ["a list", "instance", [0.5], "by their names", "takes"],
    ["nothing at all", "instance", null, "by their names", "takes"],
  ] as const)("%s is refused, with what may be given", (_, task, given, message, hint) => {
    const refusal = expect.objectContaining({
      code: "PARAMETER_INVALID",
      message: expect.stringContaining(message),
      hint: expect.stringContaining(hint),
    });
    expect(() => completeParameters(task, given, { graph, defaults })).toThrow(refusal);
  });
});

describe("the task", () => {
  const manifest = { name: "m", tasks: ["panoptic", "semantic"] as ("panoptic" | "semantic")[] };

  test("is the bundle's first when none is named", () => {
    expect(chooseTask(manifest, undefined)).toBe("panoptic");
    expect(chooseTask(manifest, "semantic")).toBe("semantic");
  });

  test("is refused when the bundle does not do it", () => {
    const refusal = expect.objectContaining({
      code: "TASK_UNSUPPORTED",
      hint: expect.stringContaining("panoptic, semantic"),
    });
    expect(() => chooseTask(manifest, "superpixel")).toThrow(refusal);
  });
});
