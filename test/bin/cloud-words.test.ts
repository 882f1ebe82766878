import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cloudError } from "../../bin/cloud/cloud-errors.js";
import { failureWords } from "../../bin/cloud/failure-words.js";
import { ListingCursor } from "../../bin/cloud/listing-cursor.js";
import { logLine } from "../../bin/cloud/log-lines.js";
import type { RunView } from "../../bin/cloud/runs.js";
import { cloudSettings } from "../../bin/cloud/settings.js";
import { choosePipeline, stackOf } from "../../bin/cloud/stack.js";
import { keyBelow } from "../../bin/cloud/submission.js";
import { isJobOf } from "../../bin/jobs/cancel-run.js";
import { exitCodeOf } from "../../bin/terminal/exit.js";
import { exitCodeOfView, runLines } from "../../bin/terminal/run-text.js";
import type { Pipeline } from "../../layers/pipeline/cloud-contracts.js";
import { compareKeys } from "../../layers/pipeline/keys.js";

const pipeline = (name: string, model: string, task: string, tasks = [task]): Pipeline => ({
  name,
  model: { name: model, version: "1.2.0", sha256: "cd".repeat(32), tasks },
  task,
  parameters: {},
  formats: [],
});

describe("the pipeline that is meant", () => {
  const regions = pipeline("regions", "clustseg-superpixel", "superpixel");
  const photos = pipeline("photos", "clustseg-photo", "panoptic", ["panoptic", "semantic", "instance"]);
  const cells = pipeline("cells", "clustseg-nuclei", "instance");
  const all = [regions, photos, cells];

  it.each([
    [{ pipeline: "cells" }, cells, undefined],
    [{ model: "clustseg-photo" }, photos, undefined],
    [{ model: "clustseg-photo@1.2.0" }, photos, undefined],
    [{ task: "superpixel" }, regions, undefined],
    // The pipeline whose own task it is comes before one whose model could do it.
    [{ task: "instance" }, cells, undefined],
    [{ task: "semantic" }, photos, "semantic"],
    [{ pipeline: "photos", task: "instance" }, photos, "instance"],
  ])("by %j", (wish, expected, task) => {
    const chosen = choosePipeline(all, wish);

    expect(chosen.pipeline.name).toBe(expected.name);
    expect(chosen.task).toBe(task);
  });

  it("is the only one when nothing is said, and has to be said when there are several", () => {
    expect(choosePipeline([cells], {}).pipeline).toBe(cells);
    expect(() => choosePipeline(all, {})).toThrow("several pipelines");
    expect(() => choosePipeline(all, { model: "clustseg-photo@2.0.0" })).toThrow("no pipeline of the stack runs");
    expect(() => choosePipeline(all, { pipeline: "cells", task: "superpixel" })).toThrow('the task "superpixel"');
  });
});

describe("a failure in words", () => {
  it.each([
    [
      "what a function threw",
      "CONFIG_INVALID",
      JSON.stringify({ errorType: "CONFIG_INVALID", errorMessage: "there is no pipeline x.", trace: [] }),
      "CONFIG_INVALID: there is no pipeline x",
    ],
    [
      "a Spot machine taken back",
      "States.TaskFailed",
      JSON.stringify({ Status: "FAILED", StatusReason: "Host EC2 (instance i-0abc12) terminated.", Attempts: [] }),
      "the Spot machine i-0abc12 was taken back",
    ],
    [
      "a container without memory, by its last attempt",
      "States.TaskFailed",
      JSON.stringify({
        StatusReason: "Essential container in task exited",
        Attempts: [
          { Container: { ExitCode: 1 } },
          { Container: { ExitCode: 137, Reason: "OutOfMemoryError: killed" } },
        ],
      }),
      "ran out of memory",
    ],
    ["an image that cannot be pulled", "x", "CannotPullContainerError: pull image manifest has been retried", "fetch"],
    [
      "the end of a run of which no more is known",
      "RUN_FAILED",
      "Some images have no result. RUN",
      "some images have no result",
    ],
    ["a time-out", "States.Timeout", undefined, "took longer"],
    ["no capacity", "x", "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot …", "no machine of this kind free"],
    [
      "a quota",
      "x",
      "VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit",
      "may not start",
    ],
    [
      "a missing permission, with the text that says which",
      "x",
      "User: a is not authorized to perform: s3:GetObject",
      "s3:GetObject",
    ],
    ["what nobody foresaw", "Odd.Error", "something odd\n  happened.", "something odd happened"],
    ["an error without a cause", "Odd.Error", undefined, "Odd.Error"],
    ["nothing at all", undefined, undefined, "does not say why"],
  ])("%s", (_, error, cause, text) => {
    const words = failureWords(error, cause);

    expect(words.text).toContain(text);
    expect(words.hint).toMatch(/^\S.*\.$/);
  });

  it("is never empty and never long, whatever AWS says", () => {
    fc.assert(
      fc.property(fc.option(fc.string()), fc.option(fc.oneof(fc.string(), fc.json())), (error, cause) => {
        const { text, hint } = failureWords(error ?? undefined, cause ?? undefined);
        expect(text).not.toBe("");
        expect(text.length).toBeLessThan(450);
        expect(text).not.toContain("\n");
        expect(hint).not.toBe("");
      }),
    );
  });
});

describe("an error of AWS's clients", () => {
  const named = (name: string, message: string, status?: number) =>
    Object.assign(new Error(message), {
      name,
      ...(status === undefined ? {} : { $metadata: { httpStatusCode: status } }),
    });

  it.each([
    [new Error("Region is missing"), "CONFIG_INVALID", 2],
    [named("CredentialsProviderError", "Could not load credentials"), "CLOUD_ACCESS_DENIED", 3],
    [named("ExpiredTokenException", "expired", 400), "CLOUD_ACCESS_DENIED", 3],
    [named("AccessDeniedException", "you may not", 400), "CLOUD_ACCESS_DENIED", 3],
    [named("ThrottlingException", "Rate exceeded", 400), "CLOUD_UNAVAILABLE", 3],
    [named("InternalFailure", "oops", 500), "CLOUD_UNAVAILABLE", 3],
    [Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" }), "CLOUD_UNAVAILABLE", 3],
    [named("ValidationException", "bad name", 400), "CLOUD_FAILED", 3],
  ])("%s is %s", (error, code, exit) => {
    const told = cloudError(error, "reading the stack x");

    expect(told).toMatchObject({ code });
    expect(told.message).toContain("reading the stack x");
    expect(exitCodeOf(told)).toBe(exit);
  });
});

describe("the stack's outputs", () => {
  const outputs = {
    UploadsUri: "s3://uploads",
    StagingUri: "s3://staging/work",
    ResultsUri: "s3://results/",
    StateMachineArn: "arn:aws:states:eu-central-1:1:stateMachine:x",
    Pipelines: JSON.stringify([pipeline("cells", "clustseg-nuclei", "instance")]),
    ComputeKind: "gpu",
  };
  const found = (changes: Record<string, string>) => ({
    name: "clustseg-dev",
    status: "CREATE_COMPLETE",
    outputs: new Map(Object.entries({ ...outputs, ...changes })),
  });

  it("are typed, and places end in a slash", () => {
    const stack = stackOf(found({ LogGroups: '{"plan":"/a/b"}', JobQueueArn: "arn:q", Later: "not known yet" }));

    expect(stack).toMatchObject({ uploads: "s3://uploads/", staging: "s3://staging/work/", jobQueue: "arn:q" });
    expect(stack.pipelines[0]?.name).toBe("cells");
    expect(stack.logGroups).toEqual({ plan: "/a/b" });
    expect("deadLetters" in stack).toBe(false);
  });

  it.each([
    [{ UploadsUri: "http://uploads" }, "UploadsUri"],
    [{ Pipelines: "[]" }, "Pipelines"],
    [{ Pipelines: "{" }, "Pipelines"],
    [{ StateMachineArn: "" }, "StateMachineArn"],
  ])("with %j are of no stack of ours", (changes, name) => {
    expect(() => stackOf(found(changes))).toThrow(name);
  });
});

it("the stack is named by the option, else the environment, else the default", async () => {
  const cwd = "/nonexistent";
  expect(await cloudSettings({ stack: "a" }, cwd, { CLUSTSEG_STACK: "b" })).toMatchObject({
    stack: "a",
    from: "--stack",
  });
  expect(await cloudSettings({}, cwd, { CLUSTSEG_STACK: "b" })).toMatchObject({ stack: "b", from: "$CLUSTSEG_STACK" });
  expect(await cloudSettings({}, cwd, { CLUSTSEG_STACK: "" })).toMatchObject({ stack: "clustseg-dev" });
});

describe("keys", () => {
  it("of addresses below a store", () => {
    expect(keyBelow("s3://a/b/", "s3://a/b/c/d.jpg")).toBe("c/d.jpg");
    expect(keyBelow("s3://a/b/", "s3://a/b")).toBe("");
    expect(keyBelow("s3://a/b/", "s3://a/bc/d.jpg")).toBeUndefined();
    expect(keyBelow("s3://a/", "s3://ab/c")).toBeUndefined();
  });

  it("are found in a listing as if all of it were in memory", async () => {
    const key = fc.string({ minLength: 1, maxLength: 3, unit: fc.constantFrom("a", "b", "/", "\uffee", "😀") });
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(key), fc.uniqueArray(key), async (there, asked) => {
        const infos = there.sort(compareKeys).map((one) => ({ key: one, size: 1, etag: one }));
        const listing = (async function* () {
          yield* infos;
        })();
        const cursor = new ListingCursor(listing);
        for (const one of asked.sort(compareKeys)) {
          expect((await cursor.at(one))?.etag).toBe(there.includes(one) ? one : undefined);
        }
      }),
    );
  });

  it("of jobs tell their run, also from one whose id begins alike", () => {
    expect(isJobOf("s-abc-00007", "s-abc")).toBe(true);
    expect(isJobOf("s-abc-d-00007", "s-abc")).toBe(false);
    expect(isJobOf("s-abc-1-00007", "s-abc")).toBe(false);
    expect(isJobOf("s-abc", "s-abc")).toBe(false);
  });
});

describe("a run in lines", () => {
  const view = (changes: Partial<RunView>): RunView => ({
    run_id: "s-1",
    pipeline: "cells",
    state: "segmenting",
    retries: 0,
    started_at: "2026-01-01T00:00:00.000Z",
    ...changes,
  });
  const now = Date.parse("2026-01-01T00:02:00.000Z");
  const counts = { total: 10, done: 4, segmented: 2, rejected: 1, skipped: 1 };
  const text = (changes: Partial<RunView>) => runLines(view(changes), now).join("\n");

  it("says how far it has come and what can be typed next", () => {
    const lines = text({ counts, shards: { total: 3, done: 1 }, packs: 2, retries: 1 });

    expect(lines).toContain("segmenting, for 2 min 0 s, gone on with once");
    expect(lines).toContain("4 of 10 images (40%), 1 rejected, 1 skipped (already there)");
    expect(lines).toContain("1 of 3 done; 2 packs to be published");
    expect(lines).toContain("clustseg cancel s-1");
  });

  it("says why it failed, safely, and of a cancelled one nothing of the sort", () => {
    const error = { text: "evil \u001b[2J name", hint: "Do this." };

    expect(text({ state: "failed", error })).toContain("evil \\u001b[2J name");
    expect(text({ state: "failed", error })).toContain("Do this.");
    expect(text({ state: "cancelled", error })).not.toContain("evil");
  });

  it.each([
    ["planning", undefined, 0],
    ["segmenting", counts, 0],
    ["stopping", counts, 0],
    ["completed", { ...counts, rejected: 0 }, 0],
    ["completed", counts, 1],
    ["failed", counts, 3],
    ["cancelled", counts, 3],
    ["over_budget", counts, 3],
    ["stopped", undefined, 3],
  ] as const)("%s ends with %s -> %i", (state, its, exit) => {
    expect(exitCodeOfView(view({ state, ...(its === undefined ? {} : { counts: its }) }))).toBe(exit);
  });
});

describe("a line of a log", () => {
  const at = new Date("2026-01-01T00:00:00.000Z");
  const read = (text: string) => logLine("plan", { at, stream: "s", text });

  it.each([
    ['{"level":"WARN","message":"slow","shard":"00001"}', { level: "warn", message: "slow", shard: "00001" }],
    [
      '{"level":"WARN","message":"rejected","reason":"it ends early"}',
      { level: "warn", message: "rejected: it ends early" },
    ],
    ['{"level":"CRITICAL","message":"x","code":"INTERNAL"}', { level: "error", code: "INTERNAL" }],
    [
      '{"type":"ExecutionFailed","details":{"error":"E","cause":"C"}}',
      { level: "error", message: "ExecutionFailed: E, C" },
    ],
    ['{"type":"TaskStateEntered","details":{"name":"Plan"}}', { level: "info", message: "TaskStateEntered: Plan" }],
    ["2026 abc Task timed out after 30.00 seconds", { level: "error" }],
    ["START RequestId: 1", { level: "info", message: "START RequestId: 1" }],
    ["null", { level: "info", message: "null" }],
  ])("%s", (text, expected) => {
    expect(read(text)).toMatchObject({ from: "plan", at: at.toISOString(), ...expected });
  });

  it("is none for metrics, and never throws", () => {
    expect(read('{"_aws":{},"ImagesSegmented":3}')).toBeUndefined();
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void read(text)));
  });
});
