import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import { FolderStore } from "../../layers/storage/folder-store.js";
import type { OpenSource } from "../../layers/viewer/source-image.js";
import { isS3Address } from "./stores.js";

/**
 * The stores of the images that results were made from, by the URIs that the results name. Results in a folder may name
 * folders, results in a bucket buckets, and not the other way round: what lies in a bucket, anybody may have written.
 *
 * @param results address of the results
 */
export async function imageSources(results: string): Promise<OpenSource> {
  const open = isS3Address(results) ? await bucketOpener() : openFolder;
  const opened = new Map<string, ObjectStore | undefined>();
  return (uri) => {
    if (!opened.has(uri)) opened.set(uri, open(uri));
    return opened.get(uri);
  };
}

async function bucketOpener(): Promise<OpenSource> {
  const { parseS3Uri, S3Store } = await import("../../layers/storage/s3-store.js");
  return (uri) => {
    try {
      const { bucket, key } = parseS3Uri(uri);
      return new S3Store({ bucket, prefix: key });
    } catch {
      // Not the address of a bucket: a result can say anything.
      return undefined;
    }
  };
}

function openFolder(uri: string): ObjectStore | undefined {
  try {
    const folder = fileURLToPath(uri);
    return existsSync(folder) ? new FolderStore(folder, { uri }) : undefined;
  } catch {
    return undefined;
  }
}
