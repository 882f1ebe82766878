import { ArnFormat, Stack } from "aws-cdk-lib";
import { Effect, type IPrincipal, PolicyStatement, Role } from "aws-cdk-lib/aws-iam";
import type { ILogGroup } from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";
import { type Buckets, objectsOf, type Place, viaS3 } from "./buckets.js";

/**
 * What each role may do, as statements. The L2 constructs' own grants (`bucket.grantRead` and so on) allow `s3:GetObject*` and
 * `s3:List*`; here is what the code calls, and no more. test/infra asserts both sides of each line.
 */

/** A statement that allows some calls on some resources. */
export function allow(
  actions: readonly string[],
  resources: readonly string[],
  conditions?: Record<string, object>,
): PolicyStatement {
  return new PolicyStatement({
    effect: Effect.ALLOW,
    actions: [...actions],
    resources: [...resources],
    ...(conditions === undefined ? {} : { conditions }),
  });
}

/**
 * Tells "there is no such object" from "you may not": without the right to list, S3 answers 403 to both. It shows names, of the
 * whole bucket, because that check has no prefix that a condition could look at.
 */
const list = ({ bucket }: Place) => allow(["s3:ListBucket"], [bucket.bucketArn]);

const read = (place: Place, keys?: string) => allow(["s3:GetObject"], [objectsOf(place, keys)]);
/** Of one version, which is what an event names. */
const readVersions = (place: Place) => allow(["s3:GetObject", "s3:GetObjectVersion"], [objectsOf(place)]);
const write = (place: Place, ...keys: string[]) =>
  // AbortMultipartUpload: a large file whose writing was broken off is taken back at once.
  allow(
    ["s3:PutObject", "s3:AbortMultipartUpload"],
    keys.map((key) => objectsOf(place, key)),
  );
const remove = (place: Place, ...keys: string[]) =>
  allow(
    ["s3:DeleteObject"],
    keys.map((key) => objectsOf(place, key)),
  );

const runs = "runs/*";

/** What whoever decodes images makes in staging. A "*" crosses slashes: "runs/r/outcomes/packs/x.pack" is such a key, too. */
const packed = ["runs/*/packs/*.pack", "runs/*/packs/*/attempt.json"];

/**
 * What the other stages go by, whatever is allowed beside it. None of these is a pack's key, since between "packs/" and the end of
 * one there are a shard's number and its own, nor is the sign to stop; and a run's id has no slash.
 */
const goneBy = [
  ...["outcomes", "counts", "shards"].map((folder) => `runs/*/${folder}/*`),
  ...["request.json", "manifest.jsonl", "plan.json", "map.json", "list.txt", "lock.json"].map(
    (file) => `runs/*/${file}`,
  ),
];

/** Nobody's `allow` is stronger than this. */
const never = (place: Place, keys: readonly string[]) =>
  new PolicyStatement({
    effect: Effect.DENY,
    actions: ["s3:PutObject", "s3:DeleteObject"],
    resources: keys.map((key) => objectsOf(place, key)),
  });

/** What every stage does in staging. */
const workIn = (staging: Place) => [list(staging), read(staging, runs), write(staging, runs)];

/** The key of the buckets, for S3's use of it only; nothing when S3 has its own. */
export function keyStatements(scope: Construct, keyArn: string | undefined, ...actions: string[]): PolicyStatement[] {
  if (keyArn === undefined) return [];
  return [allow(actions, [keyArn], { StringEquals: { "kms:ViaService": viaS3(scope) } })];
}

export type Stage = "intake" | "plan" | "segment" | "publish" | "summarize";

/** What a stage may do with the buckets. `quick` is the stage segment in a function. */
export function bucketStatements(
  scope: Construct,
  stage: Stage,
  buckets: Buckets,
  kmsKeyArn?: string,
): PolicyStatement[] {
  const { uploads, staging, results, pipelines } = buckets;

  const statements: Readonly<Record<Stage, PolicyStatement[]>> = {
    intake: workIn(staging),
    // Current results are known by the first bytes of their metadata.
    plan: [
      list(uploads),
      // Lists and inventories may lie beside the prefix that uploads have.
      allow(["s3:GetObject"], [uploads.bucket.arnForObjects("*")]),
      ...workIn(staging),
      remove(staging, runs),
      list(results),
      read(results),
    ],
    // Decodes bytes of strangers: reads images, and writes packs and the sign to stop. Requests, plans, shards and outcomes are
    // others' work, which it can read and not forge. Deletes packs that were cut short.
    segment: [
      list(uploads),
      readVersions(uploads),
      list(staging),
      read(staging, runs),
      write(staging, ...packed, "runs/*/stop.json"),
      remove(staging, ...packed),
      never(staging, goneBy),
    ],
    // Never uploads. Deletes files of a result that the new one does not have.
    publish: [
      ...workIn(staging),
      remove(staging, runs),
      list(results),
      read(results),
      write(results, ...pipelines.map((name) => `${name}/*`)),
      ...pipelines.map((name) => remove(results, `${name}/*`)),
    ],
    // Reports alone: no mask and no metadata.
    summarize: [
      ...workIn(staging),
      remove(staging, runs),
      list(results),
      ...pipelines.map((name) => read(results, `${name}/reports/*`)),
      write(results, ...pipelines.flatMap((name) => [`${name}/report.json`, `${name}/reports/*`])),
    ],
  };
  return [...statements[stage], ...keyStatements(scope, kmsKeyArn, "kms:Decrypt", "kms:GenerateDataKey")];
}

/** Writing to one log group, in place of a managed policy that allows all of them. */
export function logStatement(logGroup: ILogGroup): PolicyStatement {
  return allow(["logs:CreateLogStream", "logs:PutLogEvents"], [logGroup.logGroupArn]);
}

/** Events of ours, so that nobody takes this role's word for those of AWS. */
export function eventStatement(scope: Construct): PolicyStatement {
  const bus = Stack.of(scope).formatArn({ service: "events", resource: "event-bus", resourceName: "default" });
  return allow(["events:PutEvents"], [bus], { StringEquals: { "events:source": "clustseg" } });
}

/** ARN of something in this stack's account and region. */
export function arnOf(scope: Construct, service: string, resource: string, name: string, colon = false): string {
  return Stack.of(scope).formatArn({
    service,
    resource,
    resourceName: name,
    arnFormat: colon ? ArnFormat.COLON_RESOURCE_NAME : ArnFormat.SLASH_RESOURCE_NAME,
  });
}

/** A role without any managed policy. */
export function bareRole(scope: Construct, id: string, assumedBy: IPrincipal, description: string): Role {
  return new Role(scope, id, { assumedBy, description });
}
