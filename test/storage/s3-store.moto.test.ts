import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createServer } from "node:net";
import {
  CreateBucketCommand,
  ListMultipartUploadsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseS3Uri, S3Store } from "../../layers/storage/s3-store.js";
import { gather, imageBytes, startRun } from "../pipeline/fixtures.js";
import { describeObjectStore, oddKeys } from "./store-contract.js";

/** Against moto, an S3 in Python. The one test file that may be skipped: `npm test` must not need Python. */
const hasMoto = spawnSync("python3", ["-c", "import moto.server"]).status === 0;
const bucket = "clustseg-test";
let server: ChildProcess;
let client: S3Client;
let stores = 0;

describe.skipIf(!hasMoto)("with moto", () => {
  beforeAll(async () => {
    const port = await freePort();
    server = spawn(
      "python3",
      [
        "-c",
        // One request after another: moto looks whether a condition holds and writes then, without a lock around both.
        `from moto.server import DomainDispatcherApplication as D, create_backend_app as c; from werkzeug.serving import run_simple as r; r("127.0.0.1", ${port}, D(c), threaded=False)`,
      ],
      { stdio: "ignore" },
    );
    client = clientFor(`http://127.0.0.1:${port}`);
    for (let attempt = 0; ; attempt++) {
      try {
        await client.send(new CreateBucketCommand({ Bucket: bucket }));
        break;
      } catch (error) {
        if (attempt === 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }, 40_000);
  afterAll(() => {
    server.kill();
    client.destroy();
  });

  const open = (prefix = `store-${stores++}/`) => new S3Store({ bucket, prefix, client });

  // moto's web server has no route for a line's end.
  const keys = oddKeys.map((key) => key.replace("\n", "\t"));
  describeObjectStore("S3Store", async () => open(), keys);

  describe("S3Store", () => {
    it("lists more than one page", async () => {
      const store = open();
      for (let from = 0; from < 1050; from += 50) {
        await Promise.all(
          Array.from({ length: 50 }, (_, i) => store.put(`k${String(from + i).padStart(4, "0")}`, new Uint8Array(1))),
        );
      }

      const keys = (await gather(store.list("k"))).map(({ key }) => key);

      expect(keys).toHaveLength(1050);
      expect(keys).toEqual([...keys].sort());
    }, 60_000);

    it("writes many lines as a multipart upload, and reads them back", async () => {
      const store = open();
      const line = "x".repeat(99_999);

      await store.putLines(
        "lines",
        Array.from({ length: 200 }, () => line),
      );
      const info = await store.head("lines");
      let lines = 0;
      for await (const read of store.lines("lines")) if (read === line) lines++;

      expect(lines).toBe(200);
      expect(info).toMatchObject({ size: 20_000_000 });
      expect(info?.etag).toMatch(/-3$/);
    });

    it("leaves no unfinished upload when the lines' source fails", async () => {
      const failing = async function* () {
        for (let i = 0; i < 200; i++) yield "x".repeat(99_999);
        throw new Error("no more");
      };

      await expect(open().putLines("lines", failing())).rejects.toThrow("no more");

      expect((await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))).Uploads ?? []).toEqual([]);
    });

    it("stops reading lines half-way without waiting for the rest", async () => {
      const store = open();
      await store.putLines(
        "lines",
        Array.from({ length: 100 }, () => "x".repeat(99_999)),
      );

      for await (const _ of store.lines("lines")) break;

      expect(await store.head("lines")).toBeDefined();
    });

    it("passes over the folders that the console makes", async () => {
      const store = open("console/");
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: "console/folder/", Body: new Uint8Array() }));
      await store.put("folder/a.jpg", new Uint8Array(1));

      expect((await gather(store.list(""))).map(({ key }) => key)).toEqual(["folder/a.jpg"]);
    });

    it("reads the version that is asked for, whatever has come since", async () => {
      const versioned = "clustseg-versions";
      await client.send(new CreateBucketCommand({ Bucket: versioned }));
      const status = "Enabled";
      await client.send(
        new PutBucketVersioningCommand({ Bucket: versioned, VersioningConfiguration: { Status: status } }),
      );
      const store = new S3Store({ bucket: versioned, client });
      await store.put("a", new Uint8Array([1]));
      const old = await store.head("a");
      await store.put("a", new Uint8Array([2, 2]));
      const young = await store.head("a");

      const { body, info } = await store.get("a", { versionId: old?.versionId ?? "", ifMatch: old?.etag ?? "" });
      await store.delete("a");

      expect([...body]).toEqual([1]);
      expect(info).toMatchObject({ etag: old?.etag, versionId: old?.versionId });
      expect(old?.versionId).not.toBe(young?.versionId);
      expect(info.lastModified).toBeGreaterThan(Date.now() - 60_000);
      expect((await store.get("a", { versionId: young?.versionId ?? "" })).body).toHaveLength(2);
      await expect(store.get("a", { versionId: "00000000-0000-0000-0000-000000000000" })).rejects.toMatchObject({
        code: "OBJECT_NOT_FOUND",
      });
    });

    it("calls an object in an archive class OBJECT_ARCHIVED", async () => {
      const store = open("archive/");
      await client.send(
        new PutObjectCommand({ Bucket: bucket, Key: "archive/a", Body: new Uint8Array(3), StorageClass: "GLACIER" }),
      );

      await expect(store.get("a")).rejects.toMatchObject({ code: "OBJECT_ARCHIVED", retryable: false });
    });

    it("says which bucket is not there", async () => {
      const store = new S3Store({ bucket: "no-such-bucket", client });

      await expect(gather(store.list(""))).rejects.toMatchObject({ code: "STORE_NOT_FOUND", fault: "user" });
      await expect(store.put("a", new Uint8Array(1))).rejects.toMatchObject({ code: "STORE_NOT_FOUND" });
    });

    it("says that the store is not available when nothing answers", async () => {
      const store = new S3Store({ bucket, client: clientFor(`http://127.0.0.1:${await freePort()}`) });

      await expect(store.get("a")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", retryable: true });
    });
  });

  describe("a whole run over a bucket", () => {
    it("segments, does nothing the second time, and notices a change", async () => {
      const uploads = open("run/uploads/");
      const roles = { uploads, staging: open("run/staging/"), results: open("run/results/") };
      for (let i = 0; i < 12; i++) await uploads.put(`photo ${i} +%2F.png`, imageBytes(i));

      const first = await startRun(roles, { packItems: 5 });
      const second = await startRun(roles);
      await uploads.put("photo 3 +%2F.png", imageBytes(50));
      const third = await startRun(roles);

      expect(first.report.items).toMatchObject({ segmented: 12, rejected: 0 });
      expect(second.report.items).toMatchObject({ skipped: 12 });
      expect(third.report.items).toMatchObject({ segmented: 1, skipped: 11 });
      expect(await gather(roles.staging.list(""))).toEqual([]);
    }, 60_000);
  });
});

describe("parseS3Uri", () => {
  it("takes an address apart", () => {
    expect(parseS3Uri("s3://my-bucket/a/b c/")).toEqual({ bucket: "my-bucket", key: "a/b c/" });
    expect(parseS3Uri("s3://my-bucket")).toEqual({ bucket: "my-bucket", key: "" });
  });
  it.each(["s3://", "s3:///a", "s3://My_Bucket/a", "http://x/y", "folder"])("refuses %s", (uri) => {
    expect(() => parseS3Uri(uri)).toThrow(expect.objectContaining({ code: "STORE_URI_INVALID" }));
  });
});

function clientFor(endpoint: string): S3Client {
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  return new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials, maxAttempts: 2 });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() =>
        typeof address === "object" && address !== null ? resolve(address.port) : reject(new Error()),
      );
    });
  });
}
