import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Pipeline, Submit } from "../../layers/pipeline/cloud-contracts.js";
import { stagingKeys } from "../../layers/pipeline/keys.js";
import type { ObjectStore, Parameters } from "../../layers/pipeline/ports.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { isS3Address } from "../addresses/stores.js";

/** What is submitted: one of the three that plan understands. */
export type SubmitSource = Pick<Submit, "prefix"> | Pick<Submit, "list"> | Pick<Submit, "inventory">;

/** What a person named, before anything is sent anywhere. */
export type NamedSource =
  | { readonly kind: "remote"; readonly source: SubmitSource }
  /** Keys to be put into staging as a list. */
  | { readonly kind: "keys"; readonly keys: readonly string[] };

/**
 * What plan is to segment, for what a person gave.
 * @throws ClustsegError USAGE, SOURCE_NOT_FOUND, SOURCE_EMPTY, SOURCE_LIST_INVALID, or a STORE_* code
 */
export async function nameSource(given: string, uploads: ObjectStore, cwd: string): Promise<NamedSource> {
  if (isS3Address(given)) return nameObject(given, uploads);
  const keys = await readList(given, uploads.uri, cwd);
  return { kind: "keys", keys };
}

async function nameObject(given: string, uploads: ObjectStore): Promise<NamedSource> {
  const key = keyBelow(uploads.uri, given);
  const document = /\/manifest\.json$/.test(given)
    ? "inventory"
    : given.toLowerCase().endsWith(".txt")
      ? "list"
      : undefined;
  if (document !== undefined) {
    if (key !== undefined) await mustBeThere(uploads, key);
    // Beside the images, in the same bucket, plan may read it as well, and tells if it is not there.
    else if (bucketOf(given) !== bucketOf(uploads.uri)) throw elsewhere(document, given, uploads.uri);
    return { kind: "remote", source: document === "list" ? { list: given } : { inventory: given } };
  }
  if (key === undefined) {
    throw new ClustsegError("USAGE", `${given} is not in the stack's uploads, ${uploads.uri}`, {
      hint: `The stack reads that bucket and no other: copy the images (aws s3 sync ${given} ${uploads.uri}), send them (clustseg upload), or deploy a stack whose uploads bucket is yours (docs/deploy.md).`,
    });
  }
  if (key === "" || key.endsWith("/")) return { kind: "remote", source: { prefix: key } };
  // An object by its name, or else what lies "below" it.
  if ((await uploads.head(key)) !== undefined) return { kind: "keys", keys: [key] };
  return { kind: "remote", source: { prefix: `${key}/` } };
}

function bucketOf(address: string): string {
  return address.split("/")[2] ?? "";
}

function elsewhere(document: "list" | "inventory", given: string, uploads: string): ClustsegError {
  const hint =
    document === "list"
      ? `Copy it there (aws s3 cp ${given} ${uploads}), or give it as a file of this machine: it is sent along.`
      : "Let the inventory be delivered to the uploads bucket, outside of the images' prefix: the stack reads no other.";
  return new ClustsegError("USAGE", `the ${document} ${given} is not in the stack's uploads bucket`, { hint });
}

async function mustBeThere(uploads: ObjectStore, key: string): Promise<void> {
  if ((await uploads.head(key)) !== undefined) return;
  throw new ClustsegError("SOURCE_NOT_FOUND", `there is no ${uploads.uri}${key}`, { hint: "Check the address." });
}

async function readList(given: string, uploads: string, cwd: string): Promise<string[]> {
  const file = path.resolve(cwd, given);
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "EISDIR") {
      throw new ClustsegError("USAGE", `${given} is a folder on this machine`, {
        hint: `Send it first: clustseg upload ${given}; that starts its segmentation, too.`,
      });
    }
    throw new ClustsegError("SOURCE_NOT_FOUND", `the list ${given} cannot be read (${cause.code})`, {
      hint: "Give s3://bucket/prefix/, an inventory's manifest.json, or a text with a key or an s3:// address a line.",
      cause,
    });
  });
  if (path.extname(file).toLowerCase() !== ".txt" || bytes.includes(0)) {
    throw new ClustsegError("SOURCE_LIST_INVALID", `${given} is not a list`, {
      hint: "A list is a .txt file with a key or an s3:// address a line. Images on this machine are sent by clustseg upload.",
    });
  }
  const lines = bytes
    .toString("utf8")
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .filter((line) => line !== "");
  if (lines.length === 0) {
    throw new ClustsegError("SOURCE_EMPTY", `the list ${given} names nothing`, { hint: "Write one key a line." });
  }
  return lines.map((line) => {
    if (!isS3Address(line)) return line;
    const key = keyBelow(uploads, line);
    if (key !== undefined && key !== "") return key;
    throw new ClustsegError("SOURCE_LIST_INVALID", `${given} names an object outside of ${uploads}: ${line}`, {
      hint: "The stack reads its uploads bucket and no other.",
    });
  });
}

/** The key below a store's uri; undefined when the address is not below it. */
export function keyBelow(uri: string, address: string): string | undefined {
  if (address.startsWith(uri)) return address.slice(uri.length);
  return `${address}/` === uri ? "" : undefined;
}

/** Keys as a list in staging, beside what the run will have there, and gone with it. */
export async function stageKeys(
  staging: ObjectStore,
  runId: string,
  keys: AsyncIterable<string> | Iterable<string>,
): Promise<Pick<Submit, "list">> {
  const list = `${stagingKeys(runId).root}list.txt`;
  await staging.putLines(list, keys);
  return { list };
}

/**
 * Parameters that differ from the pipeline's.
 * @throws ClustsegError USAGE when one has no effect on the pipeline's task
 */
export function checkParameters(given: Parameters, pipeline: Pipeline, task: string | undefined): Parameters {
  // Which parameters another task has, only the model's own bundle knows; plan checks them.
  if (task !== undefined) return given;
  for (const name of Object.keys(given)) {
    if (name in pipeline.parameters) continue;
    const others = Object.keys(pipeline.parameters).map((one) => `--${one.replaceAll("_", "-")}`);
    throw new ClustsegError("USAGE", `--${name.replaceAll("_", "-")} has no effect on the task "${pipeline.task}"`, {
      hint: `Leave it out. The pipeline ${pipeline.name} has ${others.join(", ") || "no parameters"}.`,
    });
  }
  return given;
}
