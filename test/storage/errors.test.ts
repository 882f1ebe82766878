import { S3Client } from "@aws-sdk/client-s3";
import { describe, expect, it } from "vitest";
import { readError, writeError } from "../../layers/storage/folder-errors.js";
import { s3Error } from "../../layers/storage/s3-errors.js";
import { S3Store } from "../../layers/storage/s3-store.js";

describe("S3, not set up,", () => {
  const settings = { region: "eu-central-1", maxAttempts: 1 };
  const headWith = (client: S3Client) => new S3Store({ bucket: "some-bucket", client }).head("a.jpg");

  it("names AWS_REGION when the region is missing or none", async () => {
    const region = async (): Promise<string> => {
      throw new Error("Region is missing");
    };
    const missing = new S3Client({ ...settings, region });

    for (const client of [missing, new S3Client({ ...settings, region: "eu central" })]) {
      await expect(headWith(client)).rejects.toMatchObject({
        code: "CONFIG_INVALID",
        fault: "user",
        retryable: false,
        hint: expect.stringContaining("AWS_REGION"),
      });
    }
  });

  it("names the place that was given, and no object that a run keeps there for itself", () => {
    const error = s3Error(new Error("Region is missing"), "s3://my-bucket/x/.clustseg/runs/r-1/lock.json", "writing");

    expect(error.message).toBe("no AWS region is set to look for s3://my-bucket/x in, or there is none of that name");
  });

  it("names the ways to credentials when there are none", async () => {
    const credentials = async () => {
      throw Object.assign(new Error("Could not load credentials from any providers"), {
        name: "CredentialsProviderError",
      });
    };

    await expect(headWith(new S3Client({ ...settings, credentials }))).rejects.toMatchObject({
      code: "STORE_ACCESS_DENIED",
      fault: "user",
      retryable: false,
      hint: expect.stringMatching(/AWS_PROFILE.*AWS_ACCESS_KEY_ID/),
    });
  });

  it.each([
    ["ExpiredToken", 400, "STORE_ACCESS_DENIED"],
    ["SignatureDoesNotMatch", 403, "STORE_ACCESS_DENIED"],
    ["AccessDenied", 403, "OBJECT_UNREADABLE"],
    ["PermanentRedirect", 301, "CONFIG_INVALID"],
    ["301", 301, "CONFIG_INVALID"],
    ["SlowDown", 503, "STORE_UNAVAILABLE"],
  ])("answers %s (HTTP %i) as %s", (name, httpStatusCode, code) => {
    const error = Object.assign(new Error(name), { name, $metadata: { httpStatusCode } });

    expect(s3Error(error, "s3://bucket/a.jpg", "reading")).toMatchObject({ code });
  });
});

describe("an object that may not be read", () => {
  const failure = (name: string, httpStatusCode: number, message = name) =>
    Object.assign(new Error(message), { name, $metadata: { httpStatusCode } });
  const kms =
    "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:…";
  const customer =
    "The object was stored using a form of Server Side Encryption. The correct parameters must be provided";

  it.each([
    ["its key is another account's", failure("AccessDenied", 403, kms), "OBJECT_KEY_DENIED"],
    ["its key is disabled", failure("KMS.DisabledException", 400), "OBJECT_KEY_DENIED"],
    ["its key is to be deleted", failure("KMS.KMSInvalidStateException", 400), "OBJECT_KEY_DENIED"],
    ["its key is its owner's own", failure("InvalidRequest", 400, customer), "OBJECT_KEY_DENIED"],
    ["it is archived", failure("InvalidObjectState", 403), "OBJECT_ARCHIVED"],
    ["it is somebody else's", failure("AccessDenied", 403, "Access Denied"), "OBJECT_UNREADABLE"],
    ["its version is deleted", failure("NoSuchVersion", 404), "OBJECT_NOT_FOUND"],
    ["its version is a deletion", failure("MethodNotAllowed", 405), "OBJECT_NOT_FOUND"],
  ])("as %s has its own code", (_, error, code) => {
    expect(s3Error(error, "s3://uploads/a.jpg", "reading")).toMatchObject({ code, fault: "input", retryable: false });
  });

  it("as its name is too long for a result is the image's fault", () => {
    const error = failure("KeyTooLongError", 400);

    expect(s3Error(error, "s3://results/a.jpg", "writing")).toMatchObject({
      code: "OBJECT_KEY_INVALID",
      fault: "input",
    });
  });
});

describe("a folder at fault", () => {
  const failure = (code: string) => Object.assign(new Error(code), { code });

  it.each([
    ["ENOSPC", "STORE_FULL"],
    ["EROFS", "STORE_READ_ONLY"],
    ["ENODEV", "STORE_WRITE_FAILED"],
  ])("is named beside the key: %s", (errno, code) => {
    const error = writeError(failure(errno), "a/b.jpg", "/mnt/masks");

    expect(error).toMatchObject({ code, message: expect.stringMatching(/a\/b\.jpg/) });
    expect(error).toMatchObject({ message: expect.stringMatching(/\/mnt\/masks/) });
  });

  it("is named when reading fails, and not where the image is at fault", () => {
    expect(readError(failure("EBUSY"), "a.jpg", "/mnt/in")).toMatchObject({
      code: "STORE_READ_FAILED",
      message: expect.stringContaining("a.jpg in /mnt/in"),
    });
    expect(readError(failure("EACCES"), "a.jpg", "/mnt/in")).toMatchObject({
      code: "OBJECT_UNREADABLE",
      message: "a.jpg may not be read",
    });
  });
});
