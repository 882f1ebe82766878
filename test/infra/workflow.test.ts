import { describe, expect, test } from "vitest";
import { definition, quickRounds, segmentRounds } from "../../infra/definition.js";
import { executionInputSchema, summarizeInputSchema } from "../../layers/pipeline/cloud-contracts.js";
import { execute, StateError } from "./support/asl.js";

const parts = {
  plan: "arn:plan",
  publish: "arn:publish",
  summarize: "arn:summarize",
  quick: "arn:quick",
  jobQueue: "arn:queue",
  jobDefinition: "job",
  staging: { bucket: "staging", prefix: "" },
  shares: { upload: "upload", bulk: "bulk" },
  concurrency: 50,
  tolerated: 1,
};
// biome-ignore lint/suspicious/noExplicitAny: a definition is JSON.
const machine: any = definition(parts);
const upload = { pipeline: "p", run_id: "r1" };

interface Script {
  readonly route?: "quick" | "batch" | "none";
  readonly shards?: readonly string[];
  /** Answers in turn; the last one goes on. An error's code is thrown. */
  readonly plan?: readonly (object | string)[];
  readonly quick?: readonly (boolean | string)[];
  readonly segment?: readonly ("SUCCEEDED" | string)[];
  readonly missing?: readonly (number | string)[];
  readonly status?: string;
}

/** Plays a run; what each call was given is in `calls`. */
function play(script: Script, input: object = upload, of = machine) {
  const { shards = ["00000"], route = "batch", status } = script;
  // biome-ignore lint/suspicious/noExplicitAny: what tasks are given is JSON.
  const calls: { to: string; given: any }[] = [];
  const turn = new Map<string, number>();
  const next = <T>(what: string, answers: readonly T[]): T => {
    const count = turn.get(what) ?? 0;
    turn.set(what, count + 1);
    const answer = answers[Math.min(count, answers.length - 1)] as T;
    if (typeof answer === "string" && /^[A-Z]\w*[._]/.test(answer)) throw new StateError(answer);
    return answer;
  };
  const ending = execute(of, input, {
    executionName: "r1-retry-2",
    items: (parameters) => {
      calls.push({ to: "read", given: parameters });
      return shards.map((shard) => ({ shard, items: 3 }));
    },
    task: (resource, parameters) => {
      if (resource.includes("batch")) {
        calls.push({ to: "segment", given: parameters });
        return { Status: next("segment", script.segment ?? ["SUCCEEDED"]), JobId: "j" };
      }
      const to = parameters.FunctionName.replace("arn:", "");
      calls.push({ to, given: parameters.Payload });
      const planned = {
        pipeline: "p",
        run_id: "r1",
        route,
        shards: shards.length,
        items: 3,
        map_key: "runs/r1/map.json",
      };
      const answers: Record<string, () => unknown> = {
        plan: () => next("plan", script.plan ?? [{ ...planned, ...(route === "quick" ? { shard: shards[0] } : {}) }]),
        quick: () => ({ complete: next("quick", script.quick ?? [true]), remaining: 0 }),
        publish: () => ({ shard: "00000", outcomes: 3, missing: next("missing", script.missing ?? [0]) }),
        summarize: () => ({ run_id: "r1", status: status ?? parameters.Payload.status, report: "s3://x" }),
      };
      return { Payload: answers[to]?.(), StatusCode: 200 };
    },
  });
  return { ...ending, calls, of: (to: string) => calls.filter((call) => call.to === to) };
}

describe("a run", () => {
  test("goes through plan, each shard's segment and publish, and summarize", () => {
    const { succeeded, of, calls } = play({ shards: ["00000", "00001"] });

    expect(succeeded).toBe(true);
    expect(calls.map(({ to }) => to)).toEqual([
      "plan",
      "read",
      "segment",
      "publish",
      "segment",
      "publish",
      "summarize",
    ]);
    expect(of("plan")[0]?.given).toEqual(upload);
    expect(of("read")[0]?.given).toEqual({ Bucket: "staging", Key: "runs/r1/map.json" });
    expect(of("segment")[1]?.given).toEqual({
      JobName: "r1-00001",
      JobQueue: "arn:queue",
      JobDefinition: "job",
      ShareIdentifier: "upload",
      ContainerOverrides: { Command: ["segment", "--pipeline", "p", "--run", "r1", "--shard", "00001"] },
    });
    expect(of("publish")[1]?.given).toEqual({ pipeline: "p", run_id: "r1", shard: "00001" });
    expect(of("summarize")[0]?.given).toEqual({ pipeline: "p", run_id: "r1", status: "completed" });
  });

  test("of a submit or a resume waits behind uploads", () => {
    for (const input of [
      { pipeline: "p", submit: { prefix: "", run_id: "r1" } },
      { pipeline: "p", resume: "r1" },
    ]) {
      const { of } = play({}, input);

      expect(executionInputSchema.safeParse(input).success).toBe(true);
      expect(of("plan")[0]?.given).toEqual(input);
      expect(of("segment")[0]?.given.ShareIdentifier).toBe("bulk");
    }
  });

  test("with nothing to do is summarized", () => {
    expect(play({ route: "none" }).calls.map(({ to }) => to)).toEqual(["plan", "summarize"]);
  });

  test("reads its shards below the staging prefix", () => {
    const { of } = play({}, upload, definition({ ...parts, staging: { bucket: "b", prefix: "work/" } }));

    expect(of("read")[0]?.given).toEqual({ Bucket: "b", Key: "work/runs/r1/map.json" });
  });

  test("fails when plan fails, and says so in a report under the execution's name", () => {
    const { succeeded, of, output } = play({ plan: ["RUN_REQUEST_INVALID"] });

    expect(succeeded).toBe(false);
    expect(output.Error).toBe("RUN_FAILED");
    expect(of("summarize")).toHaveLength(1);
    expect(of("summarize")[0]?.given).toMatchObject({ pipeline: "p", run_id: "r1-retry-2", status: "failed" });
    expect(summarizeInputSchema.parse(of("summarize")[0]?.given).error?.Error).toBe("RUN_REQUEST_INVALID");
  });

  test("calls a function again when Lambda or the store had passing trouble, and not for trouble that stays", () => {
    const planned = { pipeline: "p", run_id: "r1", route: "none", shards: 0, items: 0, map_key: "k" };

    expect(play({ plan: ["Lambda.TooManyRequestsException", "STORE_UNAVAILABLE", planned] }).of("plan")).toHaveLength(
      3,
    );
    expect(play({ plan: ["STORE_ACCESS_DENIED", planned] }).of("plan")).toHaveLength(1);
    expect(play({ missing: ["RESULT_BUSY", 0] }).succeeded).toBe(true);
  });

  test("waits minutes, not seconds, for calls that Lambda throttles, and tries other faults no oftener for it", () => {
    const planned = { pipeline: "p", run_id: "r1", route: "none", shards: 0, items: 0, map_key: "k" };
    const throttled = "Lambda.TooManyRequestsException";
    const times = <T>(count: number, what: T): T[] => Array.from({ length: count }, () => what);

    expect(play({ plan: [...times(12, throttled), planned] }).succeeded).toBe(true);
    expect(play({ plan: [...times(12, throttled), ...times(4, "Lambda.ServiceException"), planned] }).succeeded).toBe(
      true,
    );
    expect(play({ plan: [throttled] }).of("plan")).toHaveLength(13);
    expect(play({ plan: ["Lambda.ServiceException"] }).of("plan")).toHaveLength(5);
    for (const task of [machine.States.Plan, machine.States.Quick, machine.States.Summarize]) {
      const [rule, ...others] = task.Retry;
      expect(rule).toMatchObject({
        ErrorEquals: [throttled],
        MaxAttempts: 12,
        MaxDelaySeconds: 60,
        JitterStrategy: "FULL",
      });
      expect(JSON.stringify(others)).not.toContain(throttled);
    }
  });

  test.each([
    ["completed", true],
    ["cancelled", true],
    ["over_budget", false],
    ["failed", false],
  ])("that summarize calls %s has succeeded: %s", (status, expected) => {
    expect(play({ status }).succeeded).toBe(expected);
  });
});

describe("a shard", () => {
  test("whose job failed is published all the same, and is complete if nothing is missing", () => {
    const { succeeded, of } = play({ segment: ["Batch.JobFailed"], missing: [0] });

    expect(of("publish")).toHaveLength(1);
    expect(succeeded).toBe(true);
  });

  test("whose job failed with images missing fails, without another job", () => {
    const { of, path } = play({ segment: ["Batch.JobFailed"], missing: [2] });

    expect(of("segment")).toHaveLength(1);
    expect(path).toContain("Shards/Shard failed");
  });

  test("with images missing is segmented again, at most twice", () => {
    expect(play({ missing: [2, 0] }).of("segment")).toHaveLength(2);

    const { of, path } = play({ missing: [2] });
    expect(of("segment")).toHaveLength(segmentRounds);
    expect(path).toContain("Shards/Shard failed");
  });

  test("is submitted again when Batch is throttled", () => {
    expect(play({ segment: ["Batch.AWSBatchException", "SUCCEEDED"] }).of("segment")).toHaveLength(2);
  });

  test("more than are tolerated fail the run, which is summarized as failed", () => {
    const { succeeded, of } = play({ shards: ["00000", "00001", "00002"], segment: ["Batch.JobFailed"], missing: [1] });

    expect(succeeded).toBe(false);
    expect(of("segment")).toHaveLength(parts.tolerated + 1);
    expect(of("summarize")[0]?.given.status).toBe("failed");
  });

  test("that is stopped with its run ends the run as it was told", () => {
    expect(play({ segment: ["Batch.JobFailed"], missing: [1], status: "cancelled" }).succeeded).toBe(true);
  });

  test("leaves next to nothing in the map's output, which all shards share", () => {
    const child = machine.States.Shards.ItemProcessor.States["Shard done"];

    expect(child).toEqual({ Type: "Pass", Result: {}, End: true });
  });
});

describe("the quick path", () => {
  test("segments, publishes and needs no machine, whatever the shard is called", () => {
    const { succeeded, of, calls } = play({ route: "quick", shards: ["00003"] });

    expect(succeeded).toBe(true);
    expect(calls.map(({ to }) => to)).toEqual(["plan", "quick", "publish", "summarize"]);
    expect(of("quick")[0]?.given).toEqual({ pipeline: "p", run_id: "r1", shard: "00003" });
    expect(of("publish")[0]?.given).toEqual({ pipeline: "p", run_id: "r1", shard: "00003" });
  });

  test("goes on where it was when its time is up", () => {
    const { succeeded, of } = play({ route: "quick", quick: [false, false, true] });

    expect(succeeded).toBe(true);
    expect(of("quick")).toHaveLength(3);
    expect(of("segment")).toHaveLength(0);
  });

  test("gives up in the end, and the shard goes to a machine", () => {
    const { succeeded, of } = play({ route: "quick", quick: [false] });

    expect(of("quick")).toHaveLength(quickRounds);
    expect(of("segment")).toHaveLength(1);
    expect(succeeded).toBe(true);
  });

  test.each([
    ["that fails", { quick: ["MODEL_LOAD_FAILED"] }],
    ["that runs out of memory each time", { quick: ["Runtime.ExitError"] }],
    ["whose images are missing", { missing: [1, 0] }],
  ])("%s leaves the shard to a machine", (_, script) => {
    const { succeeded, of } = play({ route: "quick", ...script });

    expect(of("segment")).toHaveLength(1);
    expect(succeeded).toBe(true);
  });

  test("is not there when it is off", () => {
    const off = definition({ ...parts, quick: undefined });

    expect(JSON.stringify(off)).not.toContain('uick"');
    expect(play({ route: "quick" }, upload, off).of("segment")).toHaveLength(1);
  });
});

describe("the definition", () => {
  // biome-ignore lint/suspicious/noExplicitAny: a definition is JSON.
  const levels: [string, any][] = [
    ["run", machine],
    ["shard", machine.States.Shards.ItemProcessor],
  ];

  test.each(levels)(
    "of a %s leads from each state to one that is there, and to each state",
    (_, { StartAt, States }) => {
      // biome-ignore lint/suspicious/noExplicitAny: a definition is JSON.
      const exits = (state: any): string[] =>
        [
          state.Next,
          state.Default,
          ...[...(state.Choices ?? []), ...(state.Catch ?? [])].map((one) => one.Next),
        ].filter(Boolean);
      const named = new Set([StartAt, ...Object.values(States).flatMap(exits)]);

      expect([...named].sort()).toEqual(Object.keys(States).sort());
      for (const [name, state] of Object.entries<Record<string, unknown>>(States)) {
        const ends = state["End"] === true || ["Succeed", "Fail"].includes(state["Type"] as string);
        expect(ends || exits(state).length > 0, name).toBe(true);
      }
    },
  );

  test("has nothing that the emulator cannot run: no JSONata, and whole numbers are counts", () => {
    const text = JSON.stringify(machine);

    expect(text).not.toContain("JSONata");
    expect(text).not.toContain("ToleratedFailurePercentage");
    expect(machine.States.Shards).toMatchObject({ ToleratedFailureCount: 1, MaxConcurrency: 50, ResultPath: null });
  });
});
