import { describe, expect, it } from "vitest";
import { logLine } from "../../bin/cloud/log-lines.js";
import { ColdStartMeter, coldStartText } from "../../functions/quick/cold-start.js";

describe("the quick function's cold start", () => {
  it("is told once, by the first call, with the peak of memory at its end", () => {
    let seconds = 1.5;
    let kib = 200 * 1024;
    const meter = new ColdStartMeter(
      () => seconds,
      () => kib,
    );

    const first = meter.begin();
    [seconds, kib] = [4, 812 * 1024];
    const told = first();
    const second = meter.begin()();

    expect(told).toEqual({ startMs: 1500, firstMs: 2500, peakMib: 812 });
    expect(second).toBeUndefined();
  });

  it("is measured of this very process", () => {
    const { startMs, peakMib } = new ColdStartMeter().begin()()!;

    expect(startMs).toBeGreaterThan(0);
    expect(peakMib).toBeGreaterThan(20);
  });

  it("is shown by `clustseg logs`, which prints messages", () => {
    const message = coldStartText({ startMs: 1500, firstMs: 2500, peakMib: 812 });
    const text = JSON.stringify({ level: "INFO", message, run: "r-1", startMs: 1500 });

    expect(logLine("quick", { at: new Date(0), stream: "s", text })?.message).toBe(
      "cold start: 1500 ms to the first call, 2500 ms in it; peak memory 812 MiB",
    );
  });
});
