import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Interruption, leavingTime, watchDeadline } from "../../../functions/segment/interruption.js";

describe("a job that is killed at its timeout", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("leaves two minutes before, with a minute for what is in hand", () => {
    expect(leavingTime(3600)).toEqual({ afterMs: 3_480_000, graceMs: 60_000 });
  });

  it.each([60, 120, 180, 240, 300, 604_800])(
    "of %d seconds works for half of it or more, and is gone before its end",
    (seconds) => {
      const { afterMs, graceMs } = leavingTime(seconds);

      expect(afterMs).toBeGreaterThanOrEqual(seconds * 500);
      expect(graceMs).toBeGreaterThanOrEqual(15_000);
      // 12 s for the last pack and the graph.
      expect(afterMs + graceMs + 12_000).toBeLessThan(seconds * 1000);
    },
  );

  it("begins nothing more then, and gives up what is in hand when the grace is over", () => {
    const interruption = new Interruption();
    const onLeaving = vi.fn();
    watchDeadline(interruption, 3600, 10_000, onLeaving);

    vi.advanceTimersByTime(3_469_999);
    expect([interruption.stopping.aborted, onLeaving.mock.calls]).toEqual([false, []]);
    vi.advanceTimersByTime(1);
    expect([interruption.stopping.aborted, interruption.overdue.aborted]).toEqual([true, false]);
    expect([interruption.reason, onLeaving.mock.calls]).toEqual(["the job's time", [[60_000]]]);
    vi.advanceTimersByTime(60_000);
    expect(interruption.overdue.aborted).toBe(true);
  });

  it("is not told to leave after its end", () => {
    const interruption = new Interruption();
    watchDeadline(interruption, 60, 0, () => {});

    interruption.release();
    vi.advanceTimersByTime(60_000);

    expect(interruption.stopping.aborted).toBe(false);
  });
});
