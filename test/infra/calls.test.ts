import { beforeAll, describe, expect, test } from "vitest";
import { refusedCalls, type SeenCall } from "./support/calls.js";
import { synth, type Template } from "./support/synth.js";

describe("calls that were seen, against the policies", () => {
  let template: Template;
  beforeAll(async () => {
    template = await synth();
  }, 60_000);

  const seen = (
    stage: string,
    operation: string,
    place: SeenCall["place"],
    key: string,
    versionId?: string,
  ): SeenCall => ({
    stage,
    operation,
    place,
    key,
    versionId,
  });

  test("pass when the role may make them, in S3's many names for one right", () => {
    const calls = [
      seen("plan", "ListObjects", "uploads", ""),
      seen("plan", "HeadObject", "results", "superpixels/a.jpg/metadata.json"),
      seen("plan", "CreateMultipartUpload", "staging", "runs/r/manifest.jsonl"),
      seen("plan", "UploadPart", "staging", "runs/r/manifest.jsonl"),
      seen("plan", "CompleteMultipartUpload", "staging", "runs/r/manifest.jsonl"),
      seen("plan", "AbortMultipartUpload", "staging", "runs/r/manifest.jsonl"),
      seen("segment", "GetObject", "uploads", "a.jpg", "v1"),
      seen("publish", "DeleteObject", "staging", "runs/r/packs/00000/0000.pack"),
    ];

    expect(refusedCalls(template, calls)).toEqual([]);
  });

  test("are named once each when it may not, and others than stages are passed over", () => {
    const calls = [
      seen("publish", "GetObject", "uploads", "a.jpg"),
      seen("publish", "GetObject", "uploads", "a.jpg"),
      seen("segment", "PutObject", "staging", "runs/r/request.json"),
      seen("intake", "ListObjectVersions", "staging", ""),
      seen("cli", "DeleteObject", "uploads", "a.jpg"),
    ];

    expect(refusedCalls(template, calls)).toEqual([
      "publish: s3:GetObject uploads/a.jpg",
      "segment: s3:PutObject staging/runs/r/request.json",
      "intake: s3:ListBucketVersions staging/",
    ]);
  });
});
