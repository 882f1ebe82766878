import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CloudWatchLogsClient, CreateLogStreamCommand, PutLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import {
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { GetQueueUrlCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { describe, expect, it } from "vitest";
import { openCloud } from "../../bin/cloud/open-cloud.js";
import { smokeTest } from "../../bin/jobs/smoke-test.js";
import { intake, readRequest } from "../../layers/pipeline/intake.js";
import { plan } from "../../layers/pipeline/plan.js";
import type { RunStores } from "../../layers/pipeline/ports.js";
import { publishShard } from "../../layers/pipeline/publish-shard.js";
import { segmentShard } from "../../layers/pipeline/segment-shard.js";
import { countShard, writeShardCounts } from "../../layers/pipeline/shard-counts.js";
import { summarize } from "../../layers/pipeline/summarize.js";
import { blockSegmenter } from "../pipeline/block-segmenter.js";
import { gather, imageBytes } from "../pipeline/fixtures.js";
import { inProcess, jsonLines, photo, photos, start, workspace } from "./cli.js";
import { cloudStand, hasMoto, stackName } from "./cloud-stand.js";

const utf8 = new TextEncoder();

describe.skipIf(!hasMoto)("the commands against a stack in moto", { timeout: 60_000 }, () => {
  const stand = cloudStand();

  /** What the functions of the stack would do, with the same code: `shards` of the run are worked on. */
  async function work(runId: string, prefix: string, shards = Number.POSITIVE_INFINITY) {
    const stores: RunStores = { uploads: stand.uploads(), staging: stand.staging(), results: stand.results() };
    const segmenter = blockSegmenter();
    const source = { kind: "prefix", prefix } as const;
    const recipe = { model: segmenter.model, task: "superpixel", parameters: { block: 8 } };
    const request = await intake({ stores, source, ...recipe, shardItems: 2, nameRun: () => runId });
    const made = await plan({ stores, request });
    for (const { shard } of made.shards.slice(0, shards)) {
      await segmentShard({ stores, request, shard, segmenter });
      await publishShard({ stores, request, shard });
      await writeShardCounts(stores.staging, runId, shard, await countShard(stores.staging, runId, shard));
    }
    return () => summarize({ stores, request, plan: made });
  }

  async function segmentOnly(runId: string, shard: string): Promise<void> {
    const stores: RunStores = { uploads: stand.uploads(), staging: stand.staging(), results: stand.results() };
    const request = await readRequest(stores.staging, runId);
    await segmentShard({ stores, request, shard, segmenter: blockSegmenter() });
  }

  async function put(...keys: string[]): Promise<void> {
    for (const [seed, key] of keys.entries()) {
      await stand.uploads().put(key, key.includes("bad") ? utf8.encode(`bad ${key}`) : imageBytes(seed));
    }
  }

  async function submit(cwd: string, ...args: string[]): Promise<string> {
    const { stdout } = await inProcess(cwd, "submit", ...args, "--json");
    return String(jsonLines(stdout)[0]?.["run_id"]);
  }

  async function inputOf(cwd: string, execution: string): Promise<unknown> {
    const { executions } = await openCloud({}, cwd);
    return JSON.parse((await executions.find(execution))?.input ?? "null");
  }

  /** The state machine of the stand ends those at once that were submitted below done/ and fail/. */
  async function ended(cwd: string, runId: string): Promise<void> {
    const { executions } = await openCloud({}, cwd);
    while ((await executions.find(runId))?.status === "running") await new Promise((go) => setTimeout(go, 50));
  }

  describe("find the stack", () => {
    it("by --stack, the environment or a file, and tell which there are when it is not there", async () => {
      const cwd = await workspace();
      await writeFile(join(cwd, "clustseg.json"), JSON.stringify({ stack: "from-the-file" }));

      const given = await inProcess(cwd, "status", "--stack", "nowhere");
      const found = await inProcess(cwd, "status");
      const kept = process.env["CLUSTSEG_STACK"];
      delete process.env["CLUSTSEG_STACK"];
      const file = await inProcess(cwd, "status");
      process.env["CLUSTSEG_STACK"] = kept;

      expect(given).toMatchObject({ code: 2, stdout: "" });
      expect(given.stderr).toContain("no stack nowhere (named by --stack) [STACK_NOT_FOUND]");
      expect(given.stderr).toContain(`There are: ${stackName}`);
      expect(found.code).toBe(0);
      expect(file.stderr).toContain("no stack from-the-file (named by clustseg.json)");
    });

    it("and refuse one that is not ours, and a file that says nothing of use", async () => {
      const cwd = await workspace();
      await writeFile(join(cwd, "clustseg.json"), JSON.stringify({ stak: "x" }));

      const { code, stderr } = await inProcess(cwd, "status");

      expect(code).toBe(2);
      expect(stderr).toContain("[CONFIG_INVALID]");
      expect(stderr).toContain("stak");
    });
  });

  describe("submit", () => {
    it("a prefix, with what differs from the pipeline", async () => {
      const cwd = await workspace();

      const id = await submit(cwd, "s3://test-uploads/wait/", "--superpixels", "50", "--overlay", "--force");

      expect(await inputOf(cwd, id)).toEqual({
        pipeline: "regions",
        submit: { prefix: "wait/", run_id: id, force: true, formats: ["overlay"], parameters: { superpixels: 50 } },
      });
    });

    it("a list of this machine, whose keys go along in the staging of the run", async () => {
      const cwd = await workspace();
      await writeFile(join(cwd, "list.txt"), "\ufeffa b.jpg\r\ns3://test-uploads/c/ü.jpg\n\n");

      const id = await submit(cwd, "list.txt");
      const input = (await inputOf(cwd, id)) as { submit: { list: string } };

      expect(input.submit.list).toBe(`runs/${id}/list.txt`);
      expect(await gather(stand.staging().lines(input.submit.list))).toEqual(["a b.jpg", "c/ü.jpg"]);
    });

    it("one image, a list and an inventory of the bucket", async () => {
      const cwd = await workspace();
      await put("one/a.jpg");
      await stand.uploads().put("lists/l.txt", utf8.encode("one/a.jpg\n"));
      await stand.uploads().put("inventory/2026/manifest.json", utf8.encode("{}"));

      const image = (await inputOf(cwd, await submit(cwd, "s3://test-uploads/one/a.jpg"))) as {
        submit: { list: string };
      };
      const folder = await inputOf(cwd, await submit(cwd, "s3://test-uploads/one"));
      const list = await inputOf(cwd, await submit(cwd, "s3://test-uploads/lists/l.txt"));
      const inventory = await inputOf(cwd, await submit(cwd, "s3://test-uploads/inventory/2026/manifest.json"));

      expect(await gather(stand.staging().lines(image.submit.list))).toEqual(["one/a.jpg"]);
      expect(folder).toMatchObject({ submit: { prefix: "one/" } });
      expect(list).toMatchObject({ submit: { list: "s3://test-uploads/lists/l.txt" } });
      expect(inventory).toMatchObject({ submit: { inventory: "s3://test-uploads/inventory/2026/manifest.json" } });
    });

    it.each([
      ["another bucket", ["s3://others/x/"], "USAGE", "aws s3 sync"],
      ["an inventory of another bucket", ["s3://others/x/manifest.json"], "USAGE", "delivered to the uploads bucket"],
      ["a folder of this machine", ["."], "USAGE", "clustseg upload"],
      ["a list that is not there", ["no.txt"], "SOURCE_NOT_FOUND", "s3://bucket/prefix/"],
      ["a list of the bucket that is not there", ["s3://test-uploads/no.txt"], "SOURCE_NOT_FOUND", "address"],
      ["a parameter of another task", ["s3://test-uploads/", "--threshold", "0.5"], "USAGE", "--superpixels"],
      ["an unknown format", ["s3://test-uploads/", "--formats", "svg"], "FORMAT_UNKNOWN", "overlay"],
      ["an unknown pipeline", ["s3://test-uploads/", "--pipeline", "cells"], "USAGE", "regions"],
      ["a model that no pipeline has", ["s3://test-uploads/", "--model", "best"], "MODEL_NOT_FOUND", "blocks"],
      ["a task that no pipeline does", ["s3://test-uploads/", "--task", "panoptic"], "TASK_UNSUPPORTED", "regions"],
    ])("refuses %s with exit code 2 and starts nothing", async (_, args, code, hint) => {
      const cwd = await workspace();
      const runs = async () => gather((await openCloud({}, cwd)).executions.list());
      const before = (await runs()).length;

      const ended = await inProcess(cwd, "submit", ...args);

      expect(ended.code).toBe(2);
      expect(ended.stderr).toContain(`[${code}]`);
      expect(ended.stderr).toContain(hint);
      expect(await runs()).toHaveLength(before);
    });
  });

  describe("a run", () => {
    it("is told of while it is at work, from staging, and can be fetched as far as it has come", async () => {
      const cwd = await workspace();
      await put("wait1/a.jpg", "wait1/b.jpg", "wait1/c.jpg", "wait1/bad.jpg", "wait1/d.jpg");
      const id = await submit(cwd, "s3://test-uploads/wait1/");

      const planning = await inProcess(cwd, "status", id);
      await work(id, "wait1/", 2);
      const segmenting = await inProcess(cwd, "status", id, "--json");
      const people = await inProcess(cwd, "status", id);
      const fetched = await inProcess(cwd, "results", id, "--out", "masks");

      expect(planning.stdout).toMatch(/state +planning/);
      expect(jsonLines(segmenting.stdout)[0]).toMatchObject({
        state: "segmenting",
        counts: { total: 5, done: 4, segmented: 3, rejected: 1, skipped: 0 },
        shards: { total: 3, done: 2 },
      });
      expect(people.stdout).toContain("4 of 5 images (80%), 1 rejected");
      expect(fetched).toMatchObject({ code: 1 });
      expect(fetched.stdout).toContain("3 results fetched");
      expect(fetched.stdout).toContain("the same command fetches the rest");
    });

    it("that is complete ends watching, its results are fetched once, and only what is missing is fetched again", async () => {
      const cwd = await workspace();
      await put("done/a.jpg", "done/x/b.jpg", "done/c.jpg");
      const id = await submit(cwd, "s3://test-uploads/done/");
      await ended(cwd, id);
      await (await work(id, "done/"))();

      const watched = await inProcess(cwd, "status", id, "--watch", "--json");
      const first = await inProcess(cwd, "results", id, "--out", "masks", "--json");
      await rm(join(cwd, "masks/done/x/b.jpg/segments.png"));
      await writeFile(join(cwd, "masks/done/a.jpg/overlay.png"), "an older format");
      await rm(join(cwd, "masks/done/a.jpg/metadata.json"));
      const second = await inProcess(cwd, "results", id, "--out", "masks", "--json");

      expect(watched.code).toBe(0);
      expect(jsonLines(watched.stdout).at(-1)).toMatchObject({
        state: "completed",
        counts: { total: 3, segmented: 3 },
      });
      expect(jsonLines(first.stdout)[0]).toMatchObject({ fetched: 3, there: 0, rejected: 0 });
      expect(jsonLines(second.stdout)[0]).toMatchObject({ fetched: 2, there: 1 });
      await expect(stat(join(cwd, "masks/done/a.jpg/overlay.png"))).rejects.toThrow();
      for (const file of ["done/x/b.jpg/segments.png", "done/a.jpg/metadata.json"]) {
        const { body } = await stand.results().get(file);
        expect(await readFile(join(cwd, "masks", file))).toEqual(Buffer.from(body));
      }
      const report = JSON.parse(await readFile(join(cwd, `masks/reports/${id}.json`), "utf8"));
      expect(report).toMatchObject({ run_id: id, items: { total: 3, segmented: 3 } });
      expect((await inProcess(cwd, "inspect", "masks/done/x/b.jpg")).stderr).not.toContain("METADATA");
    });

    it("that failed says why, ends with 3, and begins anew under its own id when it never was planned", async () => {
      const cwd = await workspace();
      const id = await submit(cwd, "s3://test-uploads/fail/");
      await ended(cwd, id);

      const status = await inProcess(cwd, "status", id);
      const again = await inProcess(cwd, "redrive", id, "--json");

      expect(status.code).toBe(3);
      expect(status.stdout).toContain("CONFIG_INVALID: no such place");
      expect(jsonLines(again.stdout)[0]).toMatchObject({ type: "resumed", run_id: id, execution: `${id}-retry-1` });
      expect(await inputOf(cwd, `${id}-retry-1`)).toEqual(await inputOf(cwd, id));
    });

    it("counts images that wait in packs, and shards of before it was gone on with", async () => {
      const cwd = await workspace();
      await put("wait6/a.jpg", "wait6/b.jpg", "wait6/bad.jpg", "wait6/d.jpg", "wait6/e.jpg");
      const id = await submit(cwd, "s3://test-uploads/wait6/");
      await work(id, "wait6/", 1);
      // As plan does when a run goes on.
      for (const { key } of await gather(stand.staging().list(`runs/${id}/counts/`))) await stand.staging().delete(key);
      await segmentOnly(id, "00001");

      const { stdout } = await inProcess(cwd, "status", id, "--json");

      expect(jsonLines(stdout)[0]).toMatchObject({
        counts: { total: 5, done: 4, segmented: 3, rejected: 1 },
        shards: { total: 3, done: 1 },
        packs: 1,
      });
    });

    it("is cancelled by a marker, stopped at once with --now, and gone on with by redrive", async () => {
      const cwd = await workspace();
      await put("wait2/a.jpg", "wait2/b.jpg", "wait2/c.jpg");
      const id = await submit(cwd, "s3://test-uploads/wait2/");
      await work(id, "wait2/", 1);

      const busy = await inProcess(cwd, "redrive", id);
      const cancelled = await inProcess(cwd, "cancel", id);
      const stopping = await inProcess(cwd, "status", id, "--json");
      const now = await inProcess(cwd, "cancel", id, "--now");
      await ended(cwd, id);
      const stopped = await inProcess(cwd, "status", id, "--json");
      const twice = await inProcess(cwd, "cancel", id);
      const resumed = await inProcess(cwd, "redrive", id);
      const again = await inProcess(cwd, "status", id, "--json");

      expect(busy.code).toBe(3);
      expect(busy.stderr).toContain("[RUN_CONFLICT]");
      expect(cancelled).toMatchObject({ code: 0 });
      expect(jsonLines(stopping.stdout)[0]).toMatchObject({ state: "stopping" });
      expect(now).toMatchObject({ code: 0 });
      expect(stopped.code).toBe(3);
      expect(jsonLines(stopped.stdout)[0]).toMatchObject({ state: "stopped", counts: { total: 3, done: 2 } });
      expect(twice.code).toBe(2);
      expect(resumed).toMatchObject({ code: 0 });
      expect(await inputOf(cwd, `${id}-retry-1`)).toEqual({ pipeline: "regions", resume: id });
      expect(await stand.staging().head(`runs/${id}/stop.json`)).toBeUndefined();
      expect(jsonLines(again.stdout)[0]).toMatchObject({ state: "segmenting", retries: 1 });
    });

    it("with rejected images is redriven with those only that may pass, or with --all", async () => {
      const cwd = await workspace();
      await put("done/r/a.jpg", "done/r/bad.jpg", "done/r/gone.jpg");
      const id = await submit(cwd, "s3://test-uploads/done/");
      await ended(cwd, id);
      const finish = await work(id, "done/r/");
      // As if it had been overwritten meanwhile, which may pass.
      const items = `runs/${id}/outcomes/00001.jsonl`;
      const [outcome] = await gather(stand.staging().lines(items));
      const { key, etag, result_id } = JSON.parse(outcome!);
      const error = { code: "OBJECT_CHANGED", message: "changed", hint: "Again.", retryable: true };
      await stand.staging().putLines(items, [JSON.stringify({ key, etag, result_id, status: "rejected", error })]);
      await finish();

      const status = await inProcess(cwd, "status", id);
      const some = await inProcess(cwd, "redrive", id, "--json");
      const all = await inProcess(cwd, "redrive", id, "--all", "--json");

      expect(status.code).toBe(1);
      const [someRun, allRuns] = [some, all].map(({ stdout }) => jsonLines(stdout)[0] as Record<string, unknown>);
      expect(someRun).toMatchObject({ type: "submitted", of: id, images: 1, left: 1 });
      expect(allRuns).toMatchObject({ images: 2, left: 0 });
      const input = (await inputOf(cwd, String(someRun?.["run_id"]))) as { submit: { list: string } };
      expect(input.submit).toMatchObject({ task: "superpixel", parameters: { block: 8 }, formats: [] });
      expect(await gather(stand.staging().lines(input.submit.list))).toEqual([key]);
    });

    it("that nobody has started is not found, with those that are", async () => {
      const cwd = await workspace();
      const id = await submit(cwd, "s3://test-uploads/wait3/");

      const { code, stderr } = await inProcess(cwd, "status", "s-nothing");

      expect(code).toBe(2);
      expect(stderr).toContain("[RUN_NOT_FOUND]");
      expect(stderr).toContain(id);
    });

    it("ends the watching, and not the run, at a signal", async () => {
      const cwd = await workspace();
      const id = await submit(cwd, "s3://test-uploads/wait4/");

      const watching = start(cwd, "status", id, "--watch", "--every", "0.2");
      await watching.until("planning");
      watching.child.kill("SIGINT");
      const { code, stderr } = await watching.ended;

      expect(code).toBe(3);
      expect(stderr).toContain(`the run goes on: clustseg status ${id} --watch`);
      expect(jsonLines((await inProcess(cwd, "status", id, "--json")).stdout)[0]).toMatchObject({ state: "planning" });
    });
  });

  describe("upload", () => {
    it("sends a folder once, and again only what has changed", async () => {
      const cwd = await workspace();
      await photos(join(cwd, "in"), "a.jpg", "b/c d.jpg", "b/ü+.jpg");
      await writeFile(join(cwd, "in/notes.txt"), "no image");

      const first = await inProcess(cwd, "upload", "in", "--prefix", "up1", "--json");
      const second = await inProcess(cwd, "upload", "in", "--prefix", "up1", "--json");
      const other = await photo(9);
      await writeFile(join(cwd, "in/a.jpg"), other);
      const third = await inProcess(cwd, "upload", "in", "--prefix", "up1/", "--json");

      expect(jsonLines(first.stdout)[0]).toMatchObject({ sent: 3, same: 0, failed: 0, to: "s3://test-uploads/up1/" });
      expect(jsonLines(second.stdout)[0]).toMatchObject({ sent: 0, same: 3 });
      expect(jsonLines(third.stdout)[0]).toMatchObject({ sent: 1, same: 2 });
      const keys = (await gather(stand.uploads().list("up1/"))).map(({ key }) => key);
      expect(keys).toEqual(["up1/a.jpg", "up1/b/c d.jpg", "up1/b/ü+.jpg"]);
      expect(Buffer.from((await stand.uploads().get("up1/a.jpg")).body)).toEqual(other);
    });

    it("goes on behind the parts of a large file that were sent before", async () => {
      const cwd = await workspace();
      await mkdir(join(cwd, "in"));
      const bytes = Buffer.alloc(20 * 1024 ** 2, 7).fill(9, 9 * 1024 ** 2);
      await writeFile(join(cwd, "in/large.tif"), bytes);
      const client = new S3Client({});
      const target = { Bucket: "test-uploads", Key: "up2/large.tif" };
      const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
      const part = { ...target, UploadId, PartNumber: 1, Body: bytes.subarray(0, 8 * 1024 ** 2) };
      await client.send(new UploadPartCommand(part));

      const sent = await inProcess(cwd, "upload", "in", "--prefix", "up2", "--json");
      const again = await inProcess(cwd, "upload", "in", "--prefix", "up2", "--json");

      expect(jsonLines(sent.stdout)[0]).toMatchObject({ sent: 1 });
      expect(jsonLines(again.stdout)[0]).toMatchObject({ sent: 0, same: 1 });
      const { Uploads: left = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: "test-uploads" }));
      const { Versions: versions = [] } = await client.send(
        new ListObjectVersionsCommand({ Bucket: "test-uploads", Prefix: "up2/" }),
      );
      // The upload that was begun is the one that was finished.
      expect(left).toEqual([]);
      expect(versions).toHaveLength(1);
      expect(versions[0]?.ETag).toMatch(/-3"$/);
      expect(Buffer.from((await stand.uploads().get("up2/large.tif")).body).equals(bytes)).toBe(true);
    });

    it("is stopped by a signal after the files in flight, and sends the rest when it is given again", async () => {
      const cwd = await workspace();
      await mkdir(join(cwd, "in"));
      for (let i = 0; i < 40; i++) await writeFile(join(cwd, `in/${i}.tif`), Buffer.alloc(4 * 1024 ** 2, i));
      const args = ["upload", "in", "--prefix", "up3", "--concurrency", "2", "--json"];

      const sending = start(cwd, ...args);
      while ((await gather(stand.uploads().list("up3/"))).length < 2) await new Promise((go) => setTimeout(go, 20));
      sending.child.kill("SIGINT");
      const stopped = await sending.ended;
      const rest = await inProcess(cwd, ...args);

      expect(stopped.code).toBe(3);
      const first = jsonLines(stopped.stdout)[0] as { sent?: number; stopped?: boolean };
      expect(first).toMatchObject({ stopped: true, failed: 0 });
      expect(first.sent).toBeGreaterThan(1);
      expect(first.sent).toBeLessThan(40);
      expect(jsonLines(rest.stdout)[0]).toMatchObject({ sent: 40 - first.sent!, same: first.sent, stopped: false });
      expect(await gather(stand.uploads().list("up3/"))).toHaveLength(40);
    });

    it("refuses what is no folder, and a folder without images", async () => {
      const cwd = await workspace();
      await mkdir(join(cwd, "none"));

      expect(await inProcess(cwd, "upload", "nowhere")).toMatchObject({ code: 2 });
      expect((await inProcess(cwd, "upload", "none")).stderr).toContain("[SOURCE_EMPTY]");
    });
  });

  it("logs prints what the stages have written of a run, in the order of time", async () => {
    const cwd = await workspace();
    const id = await submit(cwd, "s3://test-uploads/wait5/");
    const client = new CloudWatchLogsClient({});
    const stream = { logGroupName: "/test/segment", logStreamName: "one" };
    await client.send(new CreateLogStreamCommand(stream));
    const now = Date.now();
    const line = (value: object) => JSON.stringify({ run: id, ...value });
    const messages = [
      line({ level: "INFO", message: "shard begun", shard: "00003" }),
      line({ level: "ERROR", message: "evil\u001b[2Jname", item: "a.jpg", code: "IMAGE_DAMAGED" }),
      line({ _aws: { Timestamp: now }, ImagesSegmented: 3 }),
      JSON.stringify({ run: "s-other", level: "INFO", message: "not ours" }),
    ];
    const logEvents = messages.map((message, i) => ({ timestamp: now + i, message }));
    await client.send(new PutLogEventsCommand({ ...stream, logEvents }));

    const all = await inProcess(cwd, "logs", id);
    const errors = await inProcess(cwd, "logs", id, "--errors", "--json");

    expect(all.code).toBe(0);
    expect(all.stdout.trimEnd().split("\n")).toEqual([
      expect.stringMatching(/segment +info +shard begun {2}\(shard 00003\)$/),
      expect.stringMatching(/segment +error evil\\u001b\[2Jname \[IMAGE_DAMAGED\] {2}\(a\.jpg\)$/),
    ]);
    expect(jsonLines(errors.stdout)).toEqual([expect.objectContaining({ level: "error", item: "a.jpg" })]);
  });

  it("redrive --messages gives dead letters back to intake, each once", async () => {
    const cwd = await workspace();
    const client = new SQSClient({ useQueueUrlAsEndpoint: false });
    const urlOf = async (QueueName: string) => (await client.send(new GetQueueUrlCommand({ QueueName }))).QueueUrl!;
    const [dead, intakeUrl] = [await urlOf("test-dead"), await urlOf("test-intake")];
    const bodies = Array.from({ length: 13 }, (_, i) => `message ${i}`);
    for (const MessageBody of bodies) await client.send(new SendMessageCommand({ QueueUrl: dead, MessageBody }));

    const sick = await inProcess(cwd, "doctor", "--cloud", "--json");
    const moved = await inProcess(cwd, "redrive", "--messages", "--json");
    const again = await inProcess(cwd, "redrive", "--messages");
    const arrived: string[] = [];
    for (let tries = 0; arrived.length < 13 && tries < 20; tries++) {
      const { Messages: messages = [] } = await client.send(
        new ReceiveMessageCommand({ QueueUrl: intakeUrl, MaxNumberOfMessages: 10 }),
      );
      arrived.push(...messages.map(({ Body }) => Body!));
    }

    expect(sick.code).toBe(1);
    const { findings } = JSON.parse(sick.stdout);
    expect(findings).toContainEqual(
      expect.objectContaining({ what: "dead letters", state: "bad", text: expect.stringContaining("13 messages") }),
    );
    expect(jsonLines(moved.stdout)[0]).toMatchObject({ moved: 13, left: 0 });
    expect(again.stdout).toContain("nothing to do");
    expect(arrived.sort()).toEqual(bodies.sort());
  });

  describe("doctor --cloud", () => {
    it("finds identity, stack, buckets and pipelines, and says what a stack that is not there wants", async () => {
      const cwd = await workspace();

      const { findings } = JSON.parse((await inProcess(cwd, "doctor", "--cloud", "--json")).stdout);
      const lost = await inProcess(cwd, "doctor", "--cloud", "--stack", "nowhere");

      const states = Object.fromEntries(findings.map((one: { what: string; state: string }) => [one.what, one.state]));
      expect(states).toMatchObject({
        identity: "ok",
        [`stack ${stackName}`]: "ok",
        uploads: "ok",
        staging: "ok",
        results: "ok",
        "pipeline regions": "ok",
      });
      expect(lost.code).toBe(1);
      expect(lost.stdout).toContain("BAD stack nowhere");
      expect(lost.stdout).toContain("npx cdk deploy");
    });

    it("segments an example image, and leaves no version of it, and its run's report only", async () => {
      const cloud = await openCloud({}, await workspace());
      const client = new S3Client({});
      const buckets = ["test-uploads", "test-results"];
      for (const Bucket of buckets) {
        const VersioningConfiguration = { Status: "Enabled" } as const;
        await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
      }
      const said: string[] = [];
      const worker = (async () => {
        for (;;) {
          const [upload] = await gather(stand.uploads().list("clustseg-smoke/"));
          if (upload !== undefined) return (await work("s-smoke", "clustseg-smoke/"))();
          await new Promise((go) => setTimeout(go, 20));
        }
      })();

      const findings = await smokeTest(cloud, (line) => said.push(line), { everyMs: 50 });
      await worker;

      expect(findings).toEqual([expect.objectContaining({ what: "smoke test regions", state: "ok" })]);
      expect(findings[0]?.text).toMatch(/^\d+ segments in .* by blocks 1\.0\.0, after /);
      expect(said[0]).toContain("s3://test-uploads/clustseg-smoke/");
      expect(await gather(stand.uploads().list("clustseg-smoke/"))).toEqual([]);
      expect(await gather(stand.results().list("clustseg-smoke/"))).toEqual([]);
      for (const Bucket of buckets) {
        const kept = await client.send(new ListObjectVersionsCommand({ Bucket }));
        const keys = [...(kept.Versions ?? []), ...(kept.DeleteMarkers ?? [])].map(({ Key }) => Key);
        expect(keys.filter((key) => key?.includes("clustseg-smoke/"))).toEqual([]);
      }
      expect((await gather(stand.results().list("reports/s-smoke"))).map(({ key }) => key)).toEqual([
        "reports/s-smoke.items.jsonl",
        "reports/s-smoke.json",
      ]);
    });

    it("tells that no result came", async () => {
      const cloud = await openCloud({}, await workspace());

      const findings = await smokeTest(cloud, () => {}, { everyMs: 20, patienceMs: 100 });

      expect(findings).toEqual([expect.objectContaining({ state: "bad", text: expect.stringContaining("no result") })]);
    });
  });

  it("estimate counts a prefix of the bucket and reads sizes from headers", async () => {
    const cwd = await workspace();
    for (let i = 0; i < 5; i++) await stand.uploads().put(`sizes/${i}.jpg`, await photo(i, 400, 250));

    const { code, stdout } = await inProcess(cwd, "estimate", "s3://test-uploads/sizes/", "--json");

    const [made] = jsonLines(stdout);
    expect(code).toBe(0);
    expect(made).toMatchObject({ images: 5, machine: "c7i.xlarge", sample: { looked: 5, megapixels: 0.1, error: 0 } });
    expect((made as { megapixels?: number }).megapixels).toBeCloseTo(0.5);
  });
});
