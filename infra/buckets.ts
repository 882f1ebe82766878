import { Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import { Key } from "aws-cdk-lib/aws-kms";
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type CfnBucket,
  type IBucket,
  type LifecycleRule,
} from "aws-cdk-lib/aws-s3";
import { NagSuppressions } from "cdk-nag";
import { Construct } from "constructs";
import type { BucketConfig, BucketsConfig } from "./config.js";

/** A bucket and the part of it that is ours. */
export interface Place {
  readonly bucket: IBucket;
  /** "" or ends with "/". */
  readonly prefix: string;
  /** s3://bucket/prefix */
  readonly uri: string;
  /** False for an existing bucket, which is used as it is. */
  readonly created: boolean;
}

/** Images in, work in progress, masks out. Buckets stay when the stack goes, because what is in them cannot be made again. */
export class Buckets extends Construct {
  readonly uploads: Place;
  readonly staging: Place;
  readonly results: Place;
  /** Names of pipelines: what results begin with, below their prefix. */
  readonly pipelines: readonly string[];

  constructor(
    scope: Construct,
    id: string,
    props: { readonly config: BucketsConfig; readonly pipelines: readonly string[] },
  ) {
    super(scope, id);
    const { config } = props;
    this.pipelines = props.pipelines;
    const { versioning, oldVersionsDays, stagingDays } = config;
    const oldVersions = {
      noncurrentVersionExpiration: Duration.days(oldVersionsDays),
      expiredObjectDeleteMarker: true,
    };
    this.uploads = this.#place("Uploads", config, config.uploads, versioning ? [oldVersions] : []);
    this.results = this.#place("Results", config, config.results, []);
    // From when an object was written, whether its run is at work or not: S3 knows no other clock.
    this.staging = this.#place("Staging", config, config.staging, [{ expiration: Duration.days(stagingDays) }]);
    if (this.uploads.created) announce(this.uploads.bucket);
  }

  #place(id: string, { kmsKeyArn, versioning }: BucketsConfig, config: BucketConfig, rules: LifecycleRule[]): Place {
    const { name, prefix } = config;
    // `as`: the CDK's own classes do not fit its interfaces under exactOptionalPropertyTypes.
    const bucket = (
      name === undefined
        ? new Bucket(this, id, {
            blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
            enforceSSL: true,
            minimumTLSVersion: 1.2,
            ...(kmsKeyArn === undefined
              ? { encryption: BucketEncryption.S3_MANAGED }
              : {
                  encryption: BucketEncryption.KMS,
                  encryptionKey: Key.fromKeyArn(this, `${id}Key`, kmsKeyArn),
                  // One call to KMS for many objects instead of one for each.
                  bucketKeyEnabled: true,
                }),
            versioned: versioning && id === "Uploads",
            removalPolicy: RemovalPolicy.RETAIN,
            // Parts of uploads that were broken off cost as much as objects do, and no listing shows them.
            lifecycleRules: [{ abortIncompleteMultipartUploadAfter: Duration.days(2) }, ...rules],
          })
        : Bucket.fromBucketName(this, id, name)
    ) as IBucket;
    if (name === undefined) {
      // What is kept is kept behind TLS.
      bucket.policy?.applyRemovalPolicy(RemovalPolicy.RETAIN);
      NagSuppressions.addResourceSuppressions(bucket, [
        {
          id: "AwsSolutions-S1",
          reason:
            "Access logs would need a fourth bucket that outlives the stack and grows with every image; who needs them turns on CloudTrail data events for these buckets.",
        },
      ]);
    }
    return { bucket, prefix, uri: `s3://${bucket.bucketName}/${prefix}`, created: name === undefined };
  }
}

/** The L2's `eventBridgeEnabled` would set this by a custom resource: a function and a role more, for one property. */
function announce(bucket: IBucket): void {
  const resource = bucket.node.defaultChild as CfnBucket;
  resource.notificationConfiguration = { eventBridgeConfiguration: { eventBridgeEnabled: true } };
}

/** The ARN of objects below a place's prefix; `keys` is a pattern as in policies. */
export function objectsOf({ bucket, prefix }: Place, keys = "*"): string {
  return bucket.arnForObjects(`${prefix}${keys}`);
}

/** KMS keys can be asked for through S3 only. */
export function viaS3(scope: Construct): string {
  return `s3.${Stack.of(scope).region}.${Stack.of(scope).urlSuffix}`;
}
