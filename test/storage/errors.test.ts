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
