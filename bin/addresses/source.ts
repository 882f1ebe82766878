import { realpath } from "node:fs/promises";
import path from "node:path";
import { isImageKey, isResultKey } from "../../layers/pipeline/keys.js";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import type { IntakeSource } from "../../layers/pipeline/selection.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import type { FolderProblem } from "../../layers/storage/folder-list.js";
import { FolderStore } from "../../layers/storage/folder-store.js";
import { isBelow } from "../../layers/storage/paths.js";
import { commonFolder, type NamedFiles, resolveArgument } from "./source-argument.js";
import { isS3Address, openStore } from "./stores.js";

/** The images that a command line names, as the pipeline takes them. */
export interface Source {
  readonly uploads: ObjectStore;
  readonly intake: IntakeSource;
  /** What was passed over, filled while the source is listed: links that lead out, folders that may not be read. */
  readonly problems: readonly FolderProblem[];
  /** As a person typed it, for messages. */
  readonly given?: string;
}

export interface SourceContext {
  readonly cwd: string;
  /** The output's address: results that lie among the images are no input. */
  readonly out: string;
}

/**
 * Turn the sources of a command line into a store and a selection of its keys. Keys are paths below the folder given, or
 * below the deepest folder that holds all that was given (a file's own folder, a list's folder, the part of a glob before
 * the first wildcard): so they are unique, and results lie under the same path.
 *
 * Folders and globs are searched for images by extension; what is named, on the command line or in a list, is tried whatever
 * it is called.
 *
 * @throws ClustsegError SOURCE_NOT_FOUND, SOURCE_EMPTY, SOURCE_LIST_INVALID, STORE_URI_INVALID, USAGE
 */
export async function openSource(given: readonly string[], context: SourceContext): Promise<Source> {
  if (given.some(isS3Address)) {
    if (given.length === 1) return openBucket(given[0]!);
    throw new ClustsegError("USAGE", "an s3:// source cannot be mixed with others", {
      hint: "Give one s3:// address a command.",
    });
  }
  const named = await Promise.all(given.map((argument) => resolveArgument(argument, context.cwd)));
  const base = commonFolder(named.map(({ base }) => base));
  await checkOutput(base, context);
  const problems: FolderProblem[] = [];
  const exclude = isS3Address(context.out) ? [] : [path.resolve(context.cwd, context.out)];
  const uploads = new FolderStore(base, { exclude, onProblem: (problem) => problems.push(problem) });
  const [only] = named;
  if (named.length === 1 && only!.paths === undefined) {
    return { uploads, intake: { kind: "prefix", prefix: "" }, problems, given: given[0]! };
  }
  const intake = { kind: "keys", keys: keysOf(uploads, base, named, exclude) } as const;
  return { uploads, intake, problems, given: given.join(", ") };
}

/** Images are not read back from the results, and an image cannot be where the folder of its result has to be. */
async function checkOutput(base: string, { cwd, out }: SourceContext): Promise<void> {
  if (isS3Address(out)) return;
  const folder = path.resolve(cwd, out);
  const [images, results] = await Promise.all([base, folder].map((one) => realpath(one).catch(() => one)));
  if (images !== results) return;
  throw new ClustsegError("USAGE", `the results cannot go where the images are: ${out}`, {
    hint: "Results of a.jpg lie in a folder a.jpg: give another folder with --out.",
  });
}

async function* keysOf(
  uploads: ObjectStore,
  base: string,
  named: readonly NamedFiles[],
  exclude: readonly string[],
): AsyncGenerator<string> {
  for (const { base: folder, paths, explicit } of named) {
    if (paths === undefined) {
      const prefix = keyOf(base, folder);
      for await (const { key } of uploads.list(prefix === "" ? "" : `${prefix}/`)) {
        if (isImageKey(key) && !isResultKey(key)) yield key;
      }
      continue;
    }
    for (const file of paths) {
      const key = keyOf(base, file);
      if (explicit || !(isResultKey(key) || exclude.some((one) => isBelow(one, file)))) yield key;
    }
  }
}

function keyOf(base: string, file: string): string {
  return path.relative(base, file).split(path.sep).join("/");
}

/** s3://bucket/key is the object if there is one, else what lies below key/, else all keys that begin so. */
async function openBucket(address: string): Promise<Source> {
  const folder = address.slice(0, address.lastIndexOf("/") + 1);
  const rest = address.slice(folder.length);
  const isBucket = folder === "s3://";
  const uploads = await openStore(isBucket ? address : folder, "");
  const problems: FolderProblem[] = [];
  if (isBucket || rest === "") return { uploads, intake: { kind: "prefix", prefix: "" }, problems };
  if ((await uploads.head(rest)) !== undefined) return { uploads, intake: { kind: "keys", keys: [rest] }, problems };
  for await (const _ of uploads.list(`${rest}/`)) {
    return { uploads: await openStore(`${address}/`, ""), intake: { kind: "prefix", prefix: "" }, problems };
  }
  return { uploads, intake: { kind: "prefix", prefix: rest }, problems };
}
