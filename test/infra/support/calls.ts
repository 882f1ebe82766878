import { Account } from "./account.js";
import type { Template } from "./synth.js";

/** A call of S3 as it was seen on the wire: by which stage, on which bucket of the stack. */
export interface SeenCall {
  readonly stage: string;
  /** S3's own name: "PutObject", "HeadObject", … */
  readonly operation: string;
  readonly place: "uploads" | "staging" | "results";
  /** "" for calls on the bucket. */
  readonly key: string;
  readonly versionId?: string | undefined;
}

/** The roles of those stages that run our code. */
const roles: Readonly<Record<string, string>> = {
  intake: "FunctionsintakeRole",
  plan: "FunctionsplanRole",
  publish: "FunctionspublishRole",
  summarize: "FunctionssummarizeRole",
  quick: "FunctionsquickRole",
  segment: "ComputeSegment",
};

const buckets = { uploads: "BucketsUploads", staging: "BucketsStaging", results: "BucketsResults" } as const;

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html */
function actionOf({ operation, versionId }: SeenCall): string {
  switch (operation) {
    case "GetObject":
    case "HeadObject":
      return versionId === undefined ? "s3:GetObject" : "s3:GetObjectVersion";
    case "ListObjects":
      return "s3:ListBucket";
    case "ListObjectVersions":
      return "s3:ListBucketVersions";
    case "CreateMultipartUpload":
    case "UploadPart":
    case "CompleteMultipartUpload":
      return "s3:PutObject";
    default:
      return `s3:${operation}`;
  }
}

/**
 * Those of the calls that the template's policies would not let through: what an emulator without IAM cannot tell. Calls of others
 * than the stages (the command line, a test) are passed over. The container's calls go through the VPC's endpoint as well.
 */
export function refusedCalls(template: Template, calls: Iterable<SeenCall>): readonly string[] {
  const account = new Account(template);
  const refused = new Set<string>();
  for (const call of calls) {
    const role = roles[call.stage];
    if (role === undefined) continue;
    const bucket = account.arn(buckets[call.place]);
    const resource = call.key === "" ? bucket : `${bucket}/${call.key}`;
    const asked = { principal: account.arn(role), action: actionOf(call), resource };
    const { allowed } = account.decide(asked, { viaEndpoint: call.stage === "segment" });
    if (!allowed) refused.add(`${call.stage}: ${asked.action} ${call.place}/${call.key}`);
  }
  return [...refused];
}
