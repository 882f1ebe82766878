import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSocket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Pipeline } from "../../../layers/pipeline/cloud-contracts.js";
import { readShardState } from "../../../layers/pipeline/shard.js";
import { S3Store } from "../../../layers/storage/s3-store.js";
import { bundleSegmentWorker } from "../../../scripts/segment-context.mjs";
import { tinyBundle } from "../../model/pictures.js";
import { plannedRun, tinyPipeline } from "./planned-run.js";

/** The bundled worker as a process of its own, against moto's S3. Like test/storage, skipped where there is no moto. */
const hasMoto = spawnSync("python3", ["-c", "import moto.server"]).status === 0;
const folder = mkdtempSync(join(tmpdir(), "clustseg-worker-"));
const script = join(folder, "app", "segment.js");
const shard = "00000";
let server: ChildProcess;
let endpoint: string;
let client: S3Client;
let pipeline: Pipeline;
let runs = 0;

describe.skipIf(!hasMoto)("the worker's process", () => {
  beforeAll(async () => {
    await bundleSegmentWorker(join(folder, "app"));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
    const port = await freePort();
    endpoint = `http://127.0.0.1:${port}`;
    const program = `from moto.server import ThreadedMotoServer as S; import time; S(ip_address="127.0.0.1", port=${port}).start(); time.sleep(3600)`;
    server = spawn("python3", ["-c", program], { stdio: "ignore" });
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    client = new S3Client({ endpoint, region: "us-east-1", credentials, forcePathStyle: true });
    for (let attempt = 0; ; attempt++) {
      try {
        for (const Bucket of ["up-loads", "staging"]) await client.send(new CreateBucketCommand({ Bucket }));
        break;
      } catch (error) {
        if (attempt === 100) throw error;
        await pause(200);
      }
    }
    pipeline = await tinyPipeline();
  }, 60_000);
  afterAll(() => {
    server.kill();
    client.destroy();
    rmSync(folder, { recursive: true, force: true });
  });

  it("segments a shard, logs JSON with run, shard and item, and writes metrics", async () => {
    const run = await prepared({ pictures: 3, broken: 1 });

    const { code, lines } = await start(run);

    expect(code).toBe(0);
    const rejected = lines.find(({ message }) => message === "rejected");
    expect(rejected).toMatchObject({
      level: "WARN",
      run: run.runId,
      shard,
      pipeline: "tiny",
      code: "IMAGE_UNSUPPORTED",
      reason: expect.any(String),
    });
    expect(rejected?.["item"]).toBe("in/003.png");
    expect(lines.at(-1)).toMatchObject({ message: "complete", items: 4, done: 4, exitCode: 0 });
    const metrics = lines.find((line) => "_aws" in line);
    expect(metrics?._aws?.CloudWatchMetrics[0]?.Namespace).toBe("ClustSeg");
    expect(metrics?.["BytesStaged"]).toBeGreaterThan(100);
    expect(metrics?.["SecondsPerImage"]).toHaveLength(4);
    expect((await progress(run)).outcomes.size).toBe(4);
  }, 60_000);

  it("at SIGTERM saves what is done and ends with 75; started again, it does the rest", async () => {
    const run = await prepared({ pictures: 60, size: [300, 240] });

    const first = await start(run, { signal: "SIGTERM", when: "model opened" });
    const saved = (await progress(run)).outcomes.size;
    const second = await start(run);

    expect(first.code).toBe(75);
    expect(first.lines.some(({ message }) => message === "told to leave")).toBe(true);
    expect(first.secondsAfterSignal).toBeLessThan(30);
    expect(first.lines.at(-1)).toMatchObject({ message: "interrupted", items: 60, done: saved });
    expect(saved).toBeLessThan(60);
    expect(second.code).toBe(0);
    const packed = second.lines.filter(({ message }) => message === "pack staged").map(({ items }) => items as number);
    expect(packed.reduce((sum, items) => sum + items, 0)).toBe(60 - saved);
    expect((await progress(run)).outcomes.size).toBe(60);
  }, 90_000);

  it("killed by SIGKILL after its first pack, loses no pack", async () => {
    const run = await prepared({ pictures: 80, size: [300, 240] });

    const first = await start(run, { signal: "SIGKILL", when: "pack staged" });
    const saved = (await progress(run)).outcomes.size;
    const second = await start(run);

    expect(first.code).toBe(null);
    expect(saved).toBeGreaterThanOrEqual(32);
    expect(second.code).toBe(0);
    expect((await progress(run)).outcomes.size).toBe(80);
  }, 90_000);

  it("told by the instance metadata that its Spot instance goes, leaves by itself", async () => {
    const run = await prepared({ pictures: 60, size: [300, 240] });
    const service = createServer(({ method, url }, response) => {
      if (method === "PUT") return response.end("token");
      const planned = url === "/latest/meta-data/spot/instance-action";
      response
        .writeHead(planned ? 200 : 404)
        .end(JSON.stringify({ action: "terminate", time: "2030-01-01T00:00:00Z" }));
    });
    await new Promise<void>((done) => service.listen(0, "127.0.0.1", done));
    const address = service.address();
    const port = typeof address === "object" ? address?.port : undefined;

    const { code, lines } = await start(run, { AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://127.0.0.1:${port}` });
    service.close();

    expect(code).toBe(75);
    expect(lines.some(({ message }) => message === "the Spot instance will be taken back")).toBe(true);
    expect(lines.at(-1)).toMatchObject({ message: "interrupted", why: "Spot notice" });
  }, 60_000);

  it("before its job is timed out, leaves by itself with 75; started again, it does the rest", async () => {
    const run = await prepared({ pictures: 60, size: [300, 240] });

    // It leaves at half of so short a time.
    const first = await start(run, { CLUSTSEG_JOB_SECONDS: "1" });
    const saved = (await progress(run)).outcomes.size;
    const second = await start(run, { CLUSTSEG_JOB_SECONDS: "3600" });

    expect(first.code).toBe(75);
    expect(first.lines.some(({ message }) => message === "the job's time is nearly up")).toBe(true);
    expect(first.lines.at(-1)).toMatchObject({
      message: "interrupted",
      why: expect.stringContaining("the job's time"),
    });
    expect(saved).toBeLessThan(60);
    expect(second.code).toBe(0);
    expect((await progress(run)).outcomes.size).toBe(60);
  }, 90_000);

  it.each([
    ["no GPU where one is asked for", { CLUSTSEG_PROVIDER: "cuda" }, 69, "MODEL_PROVIDER_UNAVAILABLE"],
    ["no model by the pipeline's name", { CLUSTSEG_MODELS: "/nowhere" }, 78, "MODEL_NOT_FOUND"],
    ["a setting that makes no sense", { CLUSTSEG_UPLOADS: "up-loads" }, 78, "CONFIG_INVALID"],
    ["a bucket that is not there", { CLUSTSEG_STAGING: "s3://not-there/" }, 78, "STORE_NOT_FOUND"],
  ])(
    "with %s, says so and ends for good",
    async (_, environment, exit, error) => {
      const run = await prepared({ pictures: 1 });

      const { code, lines } = await start(run, environment);

      expect(code).toBe(exit);
      expect(lines.at(-1)).toMatchObject({ level: "ERROR", code: error, exitCode: exit, run: run.runId });
      expect(lines.at(-1)?.["hint"]).toMatch(/\w/);
    },
    60_000,
  );

  it("lets no name of an object write a line of its own into the log", async () => {
    const run = await prepared({ pictures: 0, broken: 1, below: 'x\r{"level":"ERROR"}' });

    const { code, lines } = await start(run);

    expect(code).toBe(0);
    expect(lines.filter(({ level }) => level === "ERROR")).toEqual([]);
    expect(lines.find(({ message }) => message === "rejected")?.["item"]).toContain('x\r{"level":"ERROR"}');
  }, 60_000);
});

interface Run {
  readonly runId: string;
  readonly environment: Record<string, string>;
  readonly staging: S3Store;
}

interface Line {
  readonly level?: string;
  readonly message?: string;
  readonly _aws?: { readonly CloudWatchMetrics: readonly { readonly Namespace: string }[] };
  readonly [key: string]: unknown;
}

async function prepared(images: {
  pictures: number;
  broken?: number;
  size?: readonly [number, number];
  below?: string;
}): Promise<Run> {
  const prefix = `${runs++}/`;
  const open = (bucket: string) => new S3Store({ bucket, prefix, client });
  const stores = { uploads: open("up-loads"), staging: open("staging"), results: open("staging") };
  const { run_id: runId } = await plannedRun(stores, pipeline, images);
  const environment = {
    PATH: process.env["PATH"] ?? "",
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
    CLUSTSEG_UPLOADS: stores.uploads.uri,
    CLUSTSEG_STAGING: stores.staging.uri,
    CLUSTSEG_PIPELINES: JSON.stringify([pipeline]),
    CLUSTSEG_MODELS: dirname(tinyBundle),
  };
  return { runId, environment, staging: stores.staging };
}

/** Starts the worker, sends it a signal once it has logged a message, and waits for its end. */
function start(
  { runId, environment }: Run,
  { signal, when, ...more }: { signal?: NodeJS.Signals; when?: string; [variable: string]: string | undefined } = {},
): Promise<{ code: number | null; lines: Line[]; secondsAfterSignal: number }> {
  return new Promise((done, failed) => {
    const words = ["segment", "--pipeline", "tiny", "--run", runId, "--shard", shard, "--workers", "1"];
    const child = spawn(process.execPath, [script, ...words], { env: { ...environment, ...more } });
    let printed = "";
    let signalled = 0;
    const take = (text: Buffer) => {
      printed += text.toString();
      if (signal === undefined || when === undefined || signalled > 0 || !printed.includes(when)) return;
      signalled = performance.now();
      child.kill(signal);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.on("error", failed);
    child.on("close", (code) => {
      // Node and the SDK may warn of versions, in plain words.
      const lines = printed
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line) as Line);
      done({ code, lines, secondsAfterSignal: (performance.now() - signalled) / 1000 });
    });
  });
}

function progress({ staging, runId }: Run) {
  return readShardState(staging, runId, shard, { dropDamaged: false });
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const socket = createSocket();
    socket.listen(0, "127.0.0.1", () => {
      const address = socket.address();
      socket.close(() => done(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
