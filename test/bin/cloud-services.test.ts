import { createServer } from "node:http";
import { describe, expect, it, onTestFinished } from "vitest";
import { AwsExecutions } from "../../bin/cloud/aws-executions.js";
import { type Cloud, type CloudServices, cloudOf } from "../../bin/cloud/open-cloud.js";
import type {
  Account,
  BatchJobs,
  BatchQueue,
  Execution,
  ExecutionDetail,
  Executions,
  FoundStack,
  Queues,
  StackFailure,
} from "../../bin/cloud/ports.js";
import { findRun, viewRun } from "../../bin/cloud/runs.js";
import { stackOf } from "../../bin/cloud/stack.js";
import { takeBack } from "../../bin/jobs/cancel-run.js";
import type { Finding } from "../../bin/jobs/examine.js";
import { examineStack } from "../../bin/jobs/examine-cloud.js";
import { awaitRun } from "../../bin/jobs/show-status.js";
import type { Io } from "../../bin/terminal/io.js";
import { MemoryStore } from "../pipeline/memory-store.js";
import { pipelines } from "./cloud-stand.js";

/** What moto cannot be: an account without quotas, a broken stack, Batch with jobs, a map whose children fail. */

const outputs = {
  UploadsUri: "s3://uploads/",
  StagingUri: "s3://staging/",
  ResultsUri: "s3://results/",
  StateMachineArn: "arn:aws:states:us-east-1:123456789012:stateMachine:runs",
  Pipelines: JSON.stringify(pipelines),
  ComputeKind: "gpu",
  JobQueueArn: "arn:aws:batch:us-east-1:123456789012:job-queue/q",
  JobDefinitionName: "segment",
  DeadLetterQueueUrl: "https://sqs.us-east-1.amazonaws.com/123456789012/dead",
};

const found: FoundStack = {
  name: "clustseg-dev",
  status: "CREATE_COMPLETE",
  outputs: new Map(Object.entries(outputs)),
};

interface World {
  readonly stack?: FoundStack;
  readonly failure?: StackFailure;
  /** vCPUs, or an error. */
  readonly quotas?: { readonly onDemand: number | Error; readonly spot: number | Error };
  readonly queue?: Partial<BatchQueue>;
  readonly containerPipelines?: string;
  readonly executions?: readonly ExecutionDetail[];
  readonly dead?: number;
  readonly jobs?: readonly { readonly id: string; readonly name: string }[];
}

function worldOf(world: World) {
  const stopped: string[] = [];
  const cancelled: string[] = [];
  const stores = new Map<string, MemoryStore>();
  const account: Account = {
    identity: async () => ({ account: "123456789012", arn: "arn:aws:iam::123456789012:user/ada" }),
    quota: async (_, code) => {
      const { onDemand, spot } = world.quotas ?? { onDemand: 8, spot: 8 };
      const value = code === "L-DB2E81BA" ? onDemand : spot;
      if (value instanceof Error) throw value;
      return { value, name: code };
    },
  };
  const executions: Executions = {
    start: async () => "started",
    find: async (name) => world.executions?.find((one) => one.name === name),
    list: async function* (): AsyncGenerator<Execution> {
      yield* world.executions ?? [];
    },
    stop: async (name) => void stopped.push(name),
    reason: async () => ({ error: "TASK", cause: "CannotPullContainerError: denied" }),
  };
  const jobs: BatchJobs = {
    queue: async () => ({ problems: [], waiting: 0, starting: 0, running: 0, ...world.queue }),
    container: async () => ({
      image: "123456789012.dkr.ecr.us-east-1.amazonaws.com/assets:0a1b2c",
      revision: 3,
      environment: new Map([["CLUSTSEG_PIPELINES", world.containerPipelines ?? JSON.stringify(pipelines)]]),
    }),
    waiting: async function* () {
      yield* world.jobs ?? [];
    },
    cancel: async (id) => void cancelled.push(id),
  };
  const queues: Queues = {
    depth: async () => ({ waiting: world.dead ?? 0, inFlight: 0 }),
    move: async () => {},
  };
  const services: CloudServices = {
    stacks: async () => ({
      find: async () => world.stack ?? found,
      names: async () => ["clustseg-dev"],
      firstFailure: async () => world.failure,
    }),
    account: async () => account,
    queues: async () => queues,
    objects: async () => ({ purge: async () => {} }),
    logs: async () => ({ find: async function* () {} }),
    executions: async () => executions,
    jobs: async () => jobs,
    store: async (address) => {
      const store = stores.get(address) ?? new MemoryStore(address);
      stores.set(address, store);
      return store;
    },
  };
  return { services, cancelled, stopped };
}

const io = { note: () => {}, print: () => {}, cwd: "/" } as unknown as Io;
const settings = { stack: "clustseg-dev", region: undefined, from: "the default" } as const;

async function examine(world: World): Promise<Map<string, Finding>> {
  const findings = await examineStack(io, settings, worldOf(world).services, {});
  return new Map(findings.map((finding) => [finding.what, finding]));
}

const execution = (
  name: string,
  status: Execution["status"],
  more: Partial<ExecutionDetail> = {},
): ExecutionDetail => ({
  name,
  status,
  startedAt: new Date("2026-01-01T10:00:00Z"),
  input: JSON.stringify({ pipeline: "regions", run_id: name }),
  ...more,
});

describe("doctor --cloud", () => {
  it("finds nothing wrong with a stack that is well", async () => {
    const findings = await examine({});

    expect([...findings.values()].filter(({ state }) => state === "bad")).toEqual([]);
    expect(findings.get("identity")?.text).toContain("user/ada");
    expect(findings.get("container")?.text).toBe("assets:0a1b2c, revision 3, with the models of the pipelines");
    expect(findings.get("quota G Spot")).toMatchObject({ state: "ok", text: "8 vCPUs: 2 machines of 4 vCPUs at once" });
  });

  it("says that no GPU can start, and what to ask for; one kind of machine is enough", async () => {
    const none = await examine({ quotas: { onDemand: 0, spot: 2 } });
    const spot = await examine({ quotas: { onDemand: 0, spot: 64 } });

    for (const kind of ["On-Demand", "Spot"]) expect(none.get(`quota G ${kind}`)).toMatchObject({ state: "bad" });
    expect(none.get("quota G On-Demand")?.hint).toContain("L-DB2E81BA");
    expect(spot.get("quota G On-Demand")).toMatchObject({ state: "absent" });
    expect(spot.get("quota G Spot")).toMatchObject({ state: "ok" });
  });

  it("does not take a quota that may not be read for one that is spent", async () => {
    const findings = await examine({ quotas: { onDemand: new Error("AccessDenied"), spot: 4 } });

    expect(findings.get("quota G On-Demand")).toMatchObject({ state: "absent", text: "AccessDenied" });
    expect(findings.get("last failure")).toMatchObject({ state: "ok" });
  });

  it("says what began the failure of a stack that could not be made, and looks no further", async () => {
    const findings = await examine({
      stack: { ...found, status: "ROLLBACK_COMPLETE", outputs: new Map() },
      failure: { resource: "Compute", reason: "User: x is not authorized to perform: batch:CreateComputeEnvironment" },
    });

    expect(findings.get("stack clustseg-dev")).toMatchObject({ state: "bad" });
    expect(findings.get("stack clustseg-dev")?.text).toContain("Compute: User: x is not authorized");
    expect([...findings.keys()]).toEqual(["identity", "stack clustseg-dev"]);
  });

  it("goes on with a stack whose last change was undone", async () => {
    const findings = await examine({ stack: { ...found, status: "UPDATE_ROLLBACK_COMPLETE" } });

    expect(findings.get("stack clustseg-dev")).toMatchObject({ state: "absent" });
    expect(findings.get("uploads")).toMatchObject({ state: "ok" });
  });

  it("sees a container of another deployment", async () => {
    const other = [{ ...pipelines[0]!, model: { ...pipelines[0]!.model, sha256: "00".repeat(32) } }];

    const findings = await examine({ containerPipelines: JSON.stringify(other) });

    expect(findings.get("container")).toMatchObject({ state: "bad" });
  });

  it("says in words what is wrong with the machines", async () => {
    const findings = await examine({
      queue: { problems: ["the compute environment x is invalid: CannotPullContainerError"], waiting: 7 },
    });

    expect(findings.get("machines")).toMatchObject({ state: "bad" });
    expect(findings.get("machines")?.text).toContain("7 waiting");
  });

  it("calls the last failure bad only when nothing went well since", async () => {
    const failed = execution("s-1", "failed", { error: "RUN_FAILED", cause: "Some images have no result." });
    const bad = await examine({ executions: [failed] });
    const past = await examine({ executions: [execution("s-2", "succeeded"), failed] });

    expect(bad.get("last failure")).toMatchObject({ state: "bad" });
    // Not the end of the state machine, but what it has ended for.
    expect(bad.get("last failure")?.text).toContain("could not fetch the container's image");
    expect(past.get("last failure")).toMatchObject({ state: "absent" });
    expect(past.get("last failure")?.text).toContain("1 run since then ended well");
  });
});

describe("a run", () => {
  /** Ended at 10:05. */
  async function report(cloud: Cloud, runId: string, status: string): Promise<void> {
    const results = await cloud.results("regions");
    const document = {
      schema: "clustseg.report/1",
      run_id: runId,
      status,
      source: "s3://uploads/",
      results: results.uri,
      model: { name: "blocks", version: "1.0.0", sha256: "ab".repeat(32) },
      task: "superpixel",
      parameters: {},
      formats: [],
      items: { total: 9, segmented: 4, skipped: 0, rejected: 0, pending: 5 },
      rejected_by_code: {},
      rejected: [],
      started_at: "2026-01-01T10:00:00.000Z",
      finished_at: "2026-01-01T10:05:00.000Z",
      seconds: 300,
      images_per_second: 1,
      items_file: "reports/s-1.items.jsonl",
    };
    await results.put(`reports/${runId}.json`, new TextEncoder().encode(JSON.stringify(document)));
  }

  it("is its last execution, and a report of an earlier one does not tell of it", async () => {
    const { services } = worldOf({
      executions: [
        execution("s-1-retry-1", "failed", { startedAt: new Date("2026-01-01T12:00:00Z"), error: "E", cause: "why" }),
        execution("s-1", "succeeded"),
      ],
    });
    const cloud = await cloudOf(stackOf(found), services);
    await report(cloud, "s-1", "cancelled");

    const byExecution = await findRun(cloud, "s-1-retry-1");
    const view = await viewRun(cloud, byExecution);

    expect(byExecution).toMatchObject({ runId: "s-1", retries: 1 });
    expect(view).toMatchObject({ state: "failed", retries: 1, error: { text: "why" } });
    expect(view.counts).toBeUndefined();
  });

  it("is not planned anew while its staging is put away", async () => {
    const cloud = await cloudOf(stackOf(found), worldOf({ executions: [execution("s-1", "running")] }).services);
    const before = await viewRun(cloud, await findRun(cloud, "s-1"));
    await report(cloud, "s-1", "completed");
    const after = await viewRun(cloud, await findRun(cloud, "s-1"));

    expect([before.state, after.state]).toEqual(["planning", "finishing"]);
    expect(after.counts).toMatchObject({ total: 9, done: 4 });
  });

  it.each([
    ["cancelled", "succeeded", "cancelled"],
    ["over_budget", "failed", "over_budget"],
    ["failed", "failed", "failed"],
    ["completed", "succeeded", "completed"],
  ] as const)("whose report says %s and whose execution %s is %s", async (said, status, state) => {
    const ended = execution("s-1", status, { stoppedAt: new Date("2026-01-01T10:06:00Z") });
    const cloud = await cloudOf(stackOf(found), worldOf({ executions: [ended] }).services);
    await report(cloud, "s-1", said);

    expect(await viewRun(cloud, await findRun(cloud, "s-1"))).toMatchObject({ state, counts: { total: 9 } });
  });

  it("to be watched is the one at work, or of just now, or the next one that begins", async () => {
    const old = execution("s-old", "succeeded", { stoppedAt: new Date(Date.now() - 3_600_000) });
    const executions = [old];
    const cloud = await cloudOf(stackOf(found), worldOf({ executions }).services);
    const said: string[] = [];
    const wait = (patienceMs: number) =>
      awaitRun(cloud, new AbortController().signal, (line) => said.push(line), { everyMs: 5, newerMs: 50, patienceMs });

    const none = await wait(30);
    const next = wait(5000);
    setTimeout(() => executions.unshift(execution("s-new", "running")), 30);
    const begun = await next;
    executions.unshift(execution("s-quick-retry-1", "failed", { stoppedAt: new Date() }));
    const ended = await wait(5000);
    // That of an upload of just now, behind a run that has ended.
    const newer = wait(5000);
    setTimeout(() => executions.unshift(execution("s-newer", "running")), 20);

    expect([none, begun, ended, await newer]).toEqual([undefined, "s-new", "s-quick", "s-newer"]);
    expect(said).toEqual([
      "no run is at work; waiting for one to begin",
      "no run is at work; waiting for one to begin",
      expect.stringMatching(/^s-quick has ended; waiting /),
      expect.stringMatching(/^s-quick has ended; waiting /),
    ]);
  });

  it("that is cancelled takes its own jobs back, and no other's", async () => {
    const { services, cancelled } = worldOf({
      jobs: [
        { id: "1", name: "s-1-00000" },
        { id: "2", name: "s-1-x-00000" },
        { id: "3", name: "s-1-00001" },
      ],
    });
    const cloud = await cloudOf(stackOf(found), services);

    expect(await takeBack(cloud, "s-1", io)).toBe(2);
    expect(cancelled).toEqual(["1", "3"]);
  });
});

describe("why an execution failed", () => {
  const arn = "arn:aws:states:us-east-1:123456789012:execution:runs:s-1";
  const batch = JSON.stringify({ StatusReason: "Host EC2 (instance i-0abc) terminated." });
  const ended = { type: "ExecutionFailed", executionFailedEventDetails: { error: "RUN_FAILED", cause: "generic" } };
  const planFailed = { type: "TaskFailed", taskFailedEventDetails: { error: "CONFIG_INVALID", cause: "plan" } };
  const mapFailed = {
    type: "MapRunFailed",
    mapRunFailedEventDetails: { error: "States.ExceedToleratedFailureThreshold", cause: "The specified tolerated …" },
  };

  /** Step Functions' own wire format, for the real client. */
  async function answering(history: Readonly<Record<string, readonly object[]>>, children: readonly string[]) {
    const server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      const asked = JSON.parse(body);
      const action = String(request.headers["x-amz-target"]).split(".")[1];
      const answers: Record<string, unknown> = {
        GetExecutionHistory: {
          events: [...(history[asked.executionArn] ?? [])]
            .reverse()
            .map((event, id) => ({ timestamp: 1, id, ...event })),
        },
        ListMapRuns: { mapRuns: [{ executionArn: arn, mapRunArn: "map", stateMachineArn: "m", startDate: 1 }] },
        ListExecutions: {
          executions: children.map((executionArn) => ({
            executionArn,
            stateMachineArn: "m",
            name: "c",
            status: "FAILED",
            startDate: 1,
          })),
        },
        DescribeExecution: {
          executionArn: children[0],
          stateMachineArn: "m",
          status: "FAILED",
          startDate: 1,
          error: "SHARD_INCOMPLETE",
          cause: "Images of this shard have no outcome.",
        },
      };
      response.setHeader("content-type", "application/x-amz-json-1.0");
      response.end(JSON.stringify(answers[action ?? ""]));
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const before = { ...process.env };
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
    });
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
      for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    });
    return new AwsExecutions(outputs.StateMachineArn);
  }

  it.each([
    ["a step before the summary", { [arn]: [planFailed, ended] }, [], "plan"],
    [
      "a job of a shard",
      { [arn]: [mapFailed, ended], child: [{ type: "TaskFailed", taskFailedEventDetails: { cause: batch } }] },
      ["child"],
      batch,
    ],
    ["a shard that the map bore", { [arn]: [ended], child: [] }, ["child"], "Images of this shard have no outcome."],
    ["the map, when its children are gone", { [arn]: [mapFailed, ended] }, [], "The specified tolerated …"],
  ])("is %s", async (_, history, children, cause) => {
    const executions = await answering(history, children);

    expect((await executions.reason("s-1"))?.cause).toBe(cause);
  });
});
