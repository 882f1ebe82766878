import { stat } from "node:fs/promises";
import path from "node:path";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { FolderStore, type FolderStoreOptions } from "../../layers/storage/folder-store.js";

/** Where runs keep what is not a result, below the output. */
const stagingFolder = ".clustseg";

export function isS3Address(address: string): boolean {
  return address.startsWith("s3://");
}

/**
 * A store by its address: a folder's path, or s3://bucket/prefix.
 * @throws ClustsegError STORE_URI_INVALID
 */
export async function openStore(address: string, cwd: string, options: FolderStoreOptions = {}): Promise<ObjectStore> {
  if (!isS3Address(address)) return new FolderStore(path.resolve(cwd, address), options);
  // The AWS SDK takes a quarter of a second to load, so only those who name a bucket wait for it.
  // Which Node this program wants is its own to say; the SDK's view of it would stand above every run's output.
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";
  const { parseS3Uri, S3Store } = await import("../../layers/storage/s3-store.js");
  const { bucket, key } = parseS3Uri(address);
  return new S3Store({ bucket, prefix: key === "" || key.endsWith("/") ? key : `${key}/` });
}

/**
 * A folder can be made at an address, or is there.
 * @throws ClustsegError USAGE when it is a file, or lies below one
 */
export async function checkFolder(out: string, cwd: string): Promise<void> {
  if (isS3Address(out)) return;
  const folder = path.resolve(cwd, out);
  for (let at = folder; ; at = path.dirname(at)) {
    const found = await stat(at).catch(() => undefined);
    if (found?.isDirectory() || at === path.dirname(at)) return;
    if (found === undefined) continue;
    throw new ClustsegError("USAGE", at === folder ? `--out is a file: ${out}` : `--out lies below a file: ${out}`, {
      hint: "Give the folder that the results are to go to; it is made if it is not there.",
    });
  }
}

/**
 * Results and staging for what a person gave as --out.
 * @throws ClustsegError USAGE, STORE_URI_INVALID
 */
export async function openOutput(
  out: string,
  cwd: string,
): Promise<{ readonly results: ObjectStore; readonly staging: ObjectStore }> {
  await checkFolder(out, cwd);
  const results = await openStore(out, cwd);
  return { results, staging: await openStore(below(out, stagingFolder), cwd) };
}

/** Remove the folders that runs and exports make for themselves at an output, those in which nothing is left. */
export function tidyOutput(out: string, cwd: string): void {
  if (!isS3Address(out)) new FolderStore(path.resolve(cwd, out)).tidy();
}

/** An address below another one. */
export function below(address: string, name: string): string {
  return isS3Address(address) ? `${address.replace(/\/+$/, "")}/${name}` : path.join(address, name);
}
