import type { IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { mayRetry } from "./batch.js";
import { Faults } from "./faults.js";
import { functionName, stageOf } from "./functions.js";
import { type Call, describeCall } from "./traffic.js";

// The parts of the emulator that decide something; what they are together is shown by the scenarios.

const signed = (caller: string, service: string) =>
  `AWS4-HMAC-SHA256 Credential=${caller}/20250101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`;

const requestOf = (method: string, url: string, headers: Record<string, string>): IncomingMessage =>
  ({ method, url, headers }) as unknown as IncomingMessage;

test.each([
  ["GET", "/bucket/a%20b/%C3%BC.png?versionId=3", {}, "GetObject", "a b/ü.png"],
  ["HEAD", "/bucket/k", {}, "HeadObject", "k"],
  ["PUT", "/bucket/k", {}, "PutObject", "k"],
  ["PUT", "/bucket/k", { "x-amz-copy-source": "other/k" }, "CopyObject", "k"],
  ["PUT", "/bucket/k?partNumber=2&uploadId=u", {}, "UploadPart", "k"],
  ["POST", "/bucket/k?uploads", {}, "CreateMultipartUpload", "k"],
  ["POST", "/bucket/k?uploadId=u", {}, "CompleteMultipartUpload", "k"],
  ["GET", "/bucket?list-type=2&prefix=a", {}, "ListObjects", ""],
])("a call of S3 is known by its method, path and query: %s %s", (method, url, headers, operation, key) => {
  const request = requestOf(method, url, { ...headers, authorization: signed("publish.3", "s3") });

  const call = describeCall(request, 1);

  expect(call).toMatchObject({
    service: "s3",
    stage: "publish",
    caller: "publish.3",
    bucket: "bucket",
    operation,
    key,
  });
});

test("a call of a JSON service is known by its target", () => {
  const headers = { authorization: signed("poller", "sqs"), "x-amz-target": "AmazonSQS.ReceiveMessage" };

  expect(describeCall(requestOf("POST", "/", headers), 1)).toMatchObject({
    service: "sqs",
    operation: "ReceiveMessage",
  });
});

const callOf = (key: string): Call => ({
  number: 1,
  stage: "publish",
  caller: "publish.1",
  service: "s3",
  operation: "PutObject",
  bucket: "results",
  key,
  versionId: undefined,
  bytes: 10,
});

test("faults depend on the seed and on which time a call is made, not on the order of calls", () => {
  const keys = Array.from({ length: 200 }, (_, index) => `key ${index}`);
  const decide = (seed: number, order: readonly string[]) => {
    const faults = new Faults({ seed, rate: 0.3, total: 1000 });
    return new Map(order.map((key) => [key, faults.decide(callOf(key))]));
  };

  const forwards = decide(1, keys);
  const backwards = decide(1, keys.toReversed());
  const other = decide(2, keys);

  expect(keys.map((key) => forwards.get(key))).toEqual(keys.map((key) => backwards.get(key)));
  expect(keys.map((key) => forwards.get(key))).not.toEqual(keys.map((key) => other.get(key)));
  const given = [...forwards.values()].filter((fault) => fault !== undefined).length;
  expect(given).toBeGreaterThan(40);
  expect(given).toBeLessThan(80);
});

test("faults end at their total, and spare the test's own calls", () => {
  const faults = new Faults({ seed: 1, rate: 1, total: 3 });

  const decided = [1, 2, 3, 4].map((n) => faults.decide(callOf(`${n}`)));

  expect(decided.map((fault) => fault !== undefined)).toEqual([true, true, true, false]);
  expect(faults.decide({ ...callOf("x"), stage: "test" })).toBeUndefined();
});

const rules = [
  { onStatusReason: "Host EC2*", action: "RETRY" },
  { onExitCode: "75", action: "RETRY" },
  { onExitCode: "13*", action: "RETRY" },
  { onReason: "*", action: "EXIT" },
];
test.each([
  [{ exitCode: 137, reason: "", statusReason: "Host EC2 (instance i-0) terminated." }, true],
  [{ exitCode: 75, reason: "", statusReason: "Essential container in task exited" }, true],
  [{ exitCode: 1, reason: "", statusReason: "Essential container in task exited" }, false],
  [{ exitCode: 137, reason: "OutOfMemoryError: …", statusReason: "Essential container in task exited" }, true],
  [{ exitCode: 78, reason: "", statusReason: "Essential container in task exited" }, false],
])("Batch's first rule that matches decides whether a job is tried again: %j", (exit, expected) => {
  expect(mayRetry(rules, exit)).toBe(expected);
  // No rule that matches means "again".
  expect(mayRetry(rules.slice(0, 3), exit)).toBe(true);
});

test("a function is found by its name, its ARN, or either with a version", () => {
  const arn = "arn:aws:lambda:us-east-1:123456789012:function:clustseg-dev-Functionspublish0-A";

  expect([arn, `${arn}:3`, "clustseg-dev-Functionspublish0-A"].map(functionName)).toEqual(
    Array(3).fill("clustseg-dev-Functionspublish0-A"),
  );
  expect(stageOf("clustseg-dev-Functionspublish0-A")).toBe("publish");
});
