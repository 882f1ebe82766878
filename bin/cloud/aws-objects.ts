import {
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  S3Client,
} from "@aws-sdk/client-s3";
import { s3Error } from "../../layers/storage/s3-errors.js";
import { parseS3Uri, S3Store } from "../../layers/storage/s3-store.js";
import type { Objects } from "./ports.js";

/** Objects of S3 with all of their versions, which ObjectStore has no words for. */
export class AwsObjects implements Objects {
  readonly #client = new S3Client({});

  async purge(address: string, key: string): Promise<void> {
    const { bucket, key: prefix } = parseS3Uri(address);
    const place = `${prefix}${key}`;
    // Whoever may not look at versions may still delete, which leaves a version in a bucket that keeps them.
    if (!(await this.#purgeVersions(bucket, place))) await this.#deleteCurrent(bucket, prefix, key);
  }

  /** @returns false when that is not allowed */
  async #purgeVersions(bucket: string, place: string): Promise<boolean> {
    try {
      let page: ListObjectVersionsCommandOutput | undefined;
      do {
        page = await this.#client.send(
          new ListObjectVersionsCommand({
            Bucket: bucket,
            Prefix: place,
            KeyMarker: page?.NextKeyMarker,
            VersionIdMarker: page?.NextVersionIdMarker,
          }),
        );
        for (const { Key, VersionId } of [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])]) {
          if (Key !== place && !Key?.startsWith(`${place}/`)) continue;
          await this.#client.send(new DeleteObjectCommand({ Bucket: bucket, Key, VersionId }));
        }
      } while (page.IsTruncated);
      return true;
    } catch (error) {
      const known = s3Error(error, `s3://${bucket}/${place}`, "writing");
      if (known.code === "STORE_ACCESS_DENIED") return false;
      throw known;
    }
  }

  async #deleteCurrent(bucket: string, prefix: string, key: string): Promise<void> {
    const store = new S3Store({ bucket, prefix, client: this.#client });
    await store.delete(key);
    for await (const { key: below } of store.list(`${key}/`)) await store.delete(below);
  }
}
