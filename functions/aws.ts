import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { parseS3Uri, S3Store } from "../layers/storage/s3-store.js";

/** What every client of AWS is made with here: patient with throttling, and never waiting for ever. */
export const clientDefaults = {
  maxAttempts: 8,
  requestHandler: { connectionTimeout: 5_000, requestTimeout: 120_000 },
} as const satisfies S3ClientConfig;

/** @param endpoint a stand-in for AWS, which has no host name per bucket */
export function openS3(endpoint: string | undefined): S3Client {
  return new S3Client({ ...clientDefaults, forcePathStyle: endpoint !== undefined });
}

/**
 * The store at an s3:// address; keys are below it.
 * @throws ClustsegError STORE_URI_INVALID
 */
export function openStore(client: S3Client, uri: string, below = ""): S3Store {
  const { bucket, key } = parseS3Uri(uri);
  return new S3Store({ bucket, prefix: `${key}${below}`, client });
}
