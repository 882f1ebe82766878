import { afterEach, describe, expect, it, vi } from "vitest";
import { readArguments } from "../../../functions/segment/arguments.js";
import { exitCodeOf, exitCodes } from "../../../functions/segment/exit-code.js";
import { Interruption } from "../../../functions/segment/interruption.js";
import { readSurroundings } from "../../../functions/segment/surroundings.js";
import { segmentExit } from "../../../layers/pipeline/cloud-contracts.js";
import { ClustsegError, type ErrorCode } from "../../../layers/segments/errors.js";

describe("the worker's arguments", () => {
  const words = ["--pipeline", "photos", "--run", "r-0123abc", "--shard", "00007"];

  it("are one shard of one run, with the word segment before them or not", () => {
    const read = { pipeline: "photos", runId: "r-0123abc", shard: "00007" };

    expect(readArguments(["segment", ...words])).toEqual(read);
    expect(readArguments([...words, "--workers", "3"])).toEqual({ ...read, workers: 3 });
    expect(readArguments(["segment", "--help"])).toBe("help");
    expect(readArguments(["segment", "--check"])).toBe("check");
  });

  it.each([
    ["nothing", ["segment"], "--pipeline, --run, --shard"],
    ["no shard", words.slice(0, 4), "--shard"],
    ["a run that is a path", [...words, "--run", "../other"], "--run"],
    ["a shard that is a path", [...words, "--shard", "0/../../1"], "--shard"],
    ["no number of workers", [...words, "--workers", "many"], "--workers"],
    ["a word too many", [...words, "--force"], "--force"],
    ["something else than segment", ["publish", ...words], "publish"],
  ])("are refused when they are %s", (_, argv, named) => {
    expect(() => readArguments(argv)).toThrow(
      expect.objectContaining({ code: "USAGE", message: expect.stringContaining(named) }),
    );
  });
});

describe("exit codes", () => {
  it.each<[ErrorCode, number]>([
    ["STORE_UNAVAILABLE", segmentExit.retry],
    ["STORE_WRITE_FAILED", segmentExit.retry],
    ["MODEL_WORKER_DIED", segmentExit.retry],
    ["RUN_CANCELLED", segmentExit.retry],
    ["RUN_FAILURE_BUDGET", segmentExit.stopped],
    ["MODEL_PROVIDER_UNAVAILABLE", exitCodes.noGpu],
    ["RUN_MODEL_CHANGED", exitCodes.config],
    ["STORE_ACCESS_DENIED", exitCodes.config],
    ["CONFIG_INVALID", exitCodes.config],
    ["USAGE", exitCodes.usage],
    ["INTERNAL", exitCodes.failed],
    ["MANIFEST_INVALID", exitCodes.failed],
  ])("of %s is %i", (code, exit) => {
    expect(exitCodeOf(new ClustsegError(code, "it happened", { hint: "" }))).toBe(exit);
  });

  it("of an error that nobody has foreseen is that of a bug, and no two kinds of end share one", () => {
    expect(exitCodeOf(new TypeError("x is undefined"))).toBe(exitCodes.failed);
    expect(new Set(Object.values(exitCodes)).size).toBe(Object.keys(exitCodes).length);
  });
});

describe("the worker's surroundings", () => {
  it.each([
    ["outside AWS", {}, undefined],
    ["on EC2", { AWS_EXECUTION_ENV: "AWS_ECS_EC2" }, "http://169.254.169.254"],
    ["on Fargate, which tells by SIGTERM", { AWS_EXECUTION_ENV: "AWS_ECS_FARGATE" }, undefined],
    [
      "with the service elsewhere",
      { AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://[fd00:ec2::254]" },
      "http://[fd00:ec2::254]",
    ],
    [
      "with the service switched off",
      { AWS_EXECUTION_ENV: "AWS_ECS_EC2", AWS_EC2_METADATA_DISABLED: "True" },
      undefined,
    ],
  ])("%s tell where Spot notices are", (_, environment, endpoint) => {
    expect(readSurroundings(environment).metadataEndpoint).toBe(endpoint);
  });

  it("name Batch's job and attempt", () => {
    expect(readSurroundings({ AWS_BATCH_JOB_ID: "j", AWS_BATCH_JOB_ATTEMPT: "2" })).toEqual({ job: "j", attempt: 2 });
  });
});

describe("an interruption", () => {
  afterEach(() => void vi.useRealTimers());

  it("stops at once, and is overdue when the shortest time that was given is over", () => {
    vi.useFakeTimers();
    const interruption = new Interruption();

    interruption.interrupt("Spot notice", 60_000);
    vi.advanceTimersByTime(10_000);
    interruption.interrupt("SIGTERM", 15_000);
    vi.advanceTimersByTime(14_000);
    const before = interruption.overdue.aborted;
    vi.advanceTimersByTime(2_000);

    expect(interruption.stopping.aborted).toBe(true);
    expect(interruption.reason).toBe("Spot notice");
    expect([before, interruption.overdue.aborted]).toEqual([false, true]);
  });

  it("gets no more time by a second notice", () => {
    vi.useFakeTimers();
    const interruption = new Interruption();

    interruption.interrupt("SIGTERM", 5_000);
    interruption.interrupt("Spot notice", 60_000);
    vi.advanceTimersByTime(6_000);

    expect(interruption.overdue.aborted).toBe(true);
  });

  it("that was released is never overdue", () => {
    vi.useFakeTimers();
    const interruption = new Interruption();
    const released = vi.fn();
    interruption.onRelease(released);

    interruption.interrupt("SIGTERM", 5_000);
    interruption.release();
    vi.advanceTimersByTime(60_000);

    expect(released).toHaveBeenCalledOnce();
    expect(interruption.overdue.aborted).toBe(false);
  });
});
