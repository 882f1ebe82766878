import { describe, expect, it } from "vitest";
import { median, medianRatio, rounded, table } from "../../bench/support/figures.js";

describe("figures", () => {
  it("takes the middle value, whatever the order", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow("no values");
  });

  it("takes the median of the ratios of pairs, not the ratio of two medians", () => {
    // Always half, while the machine became slower between the first pair and the others.
    expect(medianRatio([10, 100, 110], [20, 200, 220])).toBe(0.5);
    expect(medianRatio([1, 2, 30], [1, 4, 10])).toBe(1);
    expect(median([1, 2, 30]) / median([1, 4, 10])).toBe(0.5);
    expect(() => medianRatio([1, 2], [1])).toThrow("paired");
  });

  it("rounds to digits and draws columns of one width", () => {
    expect(rounded(1.23456, 3)).toBe(1.235);
    expect(table(["a", "ms"], [["long name", 3]])).toBe(
      ["| a         |  ms |", "| --------- | --: |", "| long name |   3 |"].join("\n"),
    );
  });
});
