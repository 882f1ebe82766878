import type { SQSEvent, SQSRecord } from "aws-lambda";
import { describe, expect, it } from "vitest";
import { type ReceivePorts, receiveMessages } from "../../functions/intake/receive.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { Bucket } from "./bucket.js";
import { blocks } from "./in-process-cloud.js";

const image = new Uint8Array(64);

describe("intake, given a batch of messages", () => {
  it("starts one run of all uploads, and refuses alone what is no event of S3", async () => {
    const { ports, started, refused } = await prepare();

    const answer = await receiveMessages(
      batchOf({
        good: created("a.jpg"),
        poison: "<xml/>",
        test: testEvent,
        folder: created("x/"),
        other: created("b.png"),
      }),
      ports,
    );

    expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: "poison" }] });
    expect(refused).toEqual(["poison EVENT_INVALID"]);
    expect(started).toHaveLength(1);
    expect(await ports.stores.staging.head(`runs/${started[0]}/manifest.jsonl`)).toBeDefined();
  });

  it("fails nothing when every message is harmless, and starts nothing", async () => {
    const { ports, started } = await prepare();

    const answer = await receiveMessages(
      batchOf({ test: testEvent, folder: created("x/"), text: created("notes.txt") }),
      ports,
    );

    expect(answer).toEqual({ batchItemFailures: [] });
    expect(started).toEqual([]);
  });

  it("refuses a batch of nothing but poison, message by message", async () => {
    const { ports } = await prepare();

    const answer = await receiveMessages(batchOf({ one: "1", two: "" }), ports);

    expect(answer.batchItemFailures).toEqual([{ itemIdentifier: "one" }, { itemIdentifier: "two" }]);
  });

  it("gives back every message that told of an upload when runs cannot be started, and no other", async () => {
    const { ports } = await prepare();
    const start = async () => {
      throw new ClustsegError("STORE_UNAVAILABLE", "throttled", { hint: "" });
    };
    const failures: string[] = [];

    const answer = await receiveMessages(batchOf({ good: created("a.jpg"), poison: "{}", test: testEvent }), {
      ...ports,
      start,
      onFailed: ({ code }) => failures.push(code),
    });

    expect(answer.batchItemFailures).toEqual([{ itemIdentifier: "poison" }, { itemIdentifier: "good" }]);
    expect(failures).toEqual(["STORE_UNAVAILABLE"]);
  });

  it("makes of the same messages, in another order, the same run", async () => {
    const { ports, started } = await prepare();
    const messages = { one: created("a.jpg"), two: created("b.png") };

    await receiveMessages(batchOf(messages), ports);
    await receiveMessages({ Records: batchOf(messages).Records.reverse() }, ports);

    expect(started[0]).toBe(started[1]);
  });
});

const testEvent = JSON.stringify({
  Service: "Amazon S3",
  Event: "s3:TestEvent",
  Time: "2026-01-01",
  Bucket: "uploads",
});

function created(key: string): string {
  const object = { key, size: 64, etag: `e-${key}`, sequencer: "00" };
  return JSON.stringify({
    source: "aws.s3",
    "detail-type": "Object Created",
    detail: { bucket: { name: "uploads" }, object },
  });
}

function batchOf(messages: Record<string, string>): SQSEvent {
  const records = Object.entries(messages).map(([messageId, body]) => ({ messageId, body, eventSource: "aws:sqs" }));
  return { Records: records as SQSRecord[] };
}

async function prepare() {
  const time = { now: Date.parse("2026-01-01T00:00:00Z") };
  const uploads = new Bucket("s3://uploads/", time);
  for (const key of ["a.jpg", "b.png"]) await uploads.put(key, image);
  const started: string[] = [];
  const refused: string[] = [];
  const ports: ReceivePorts = {
    watched: { bucket: "uploads", prefix: "" },
    stores: { uploads, staging: new Bucket("s3://staging/", time) },
    pipelines: [blocks],
    shard: { items: 10, bytes: 2 ** 30 },
    clock: { now: () => time.now },
    start: async (name) => {
      started.push(name);
      return "started";
    },
    onRefused: (messageId, { code }) => refused.push(`${messageId} ${code}`),
    onStarted: () => {},
    onFailed: (error) => {
      throw error;
    },
  };
  return { ports, started, refused };
}
