import { ClustsegError } from "../segments/errors.js";
import { type ManifestLine, parseDocument, type RunRequest, runRequestSchema } from "./contracts.js";
import { inChunks } from "./json-lines.js";
import { stagingKeys } from "./keys.js";
import { type Clock, type ModelIdentity, type Parameters, type RunStores, systemClock } from "./ports.js";
import { runIdOf, sha256Hex } from "./result-id.js";
import { type IntakeSource, selectItems } from "./selection.js";

export interface IntakeOptions {
  readonly stores: Pick<RunStores, "uploads" | "staging">;
  readonly source: IntakeSource;
  readonly model: ModelIdentity;
  readonly task: string;
  readonly parameters: Parameters;
  /** @default none but segments.png and metadata.json */
  readonly formats?: readonly string[];
  /** Images in a shard at most. @default 2048 */
  readonly shardItems?: number;
  /** Image bytes in a shard at most (one image may have more). @default 2 GiB */
  readonly shardBytes?: number;
  /** Segment also what has a current result. @default false */
  readonly force?: boolean;
  /** Lower case, with the dot. @default imageExtensions */
  readonly extensions?: readonly string[];
  /**
   * Instead of the id that follows from what is asked: whoever runs things at once gives each run its own.
   * @default runIdOf
   */
  readonly nameRun?: (runId: string) => string;
  /** Write the request of a source without images as well, as a run that is to be reported. @default false */
  readonly keepEmpty?: boolean;
  readonly clock?: Clock;
  /** Called with the run's id before anything of the run is read or written; an error that it throws ends the intake. */
  readonly onIdentified?: (runId: string) => Promise<void>;
  /** Called now and then with the number of images found so far. */
  readonly onListed?: (items: number) => void;
}

const digestChunkLines = 4096;

/**
 * Write a run's manifest and request to staging. The run's id depends on the source, what was selected of it, model, task,
 * parameters and formats only: asked again, the same run goes on. A source without images gives a request with 0 items, and
 * nothing is written, nor `onIdentified` called.
 *
 * @throws ClustsegError TASK_UNSUPPORTED, EVENT_INVALID, or a STORE_* code
 */
export async function intake(options: IntakeOptions): Promise<RunRequest> {
  const { stores, model, task, parameters, clock = systemClock } = options;
  if (!model.tasks.includes(task)) {
    throw new ClustsegError("TASK_UNSUPPORTED", `${model.name} does not do the task "${task}"`, {
      hint: `Ask for one of its tasks: ${model.tasks.join(", ")}.`,
    });
  }
  const { name, version, sha256 } = model;
  const recipe = {
    source: stores.uploads.uri,
    model: { name, version, sha256 },
    task,
    parameters: { ...parameters },
    formats: [...new Set(options.formats ?? [])].sort(),
  };
  const { selection, items } = await selectItems(stores.uploads, options.source, options.extensions);
  const { nameRun = (id) => id, keepEmpty = false } = options;
  const runId = nameRun(runIdOf(recipe, selection, options.force ?? false));
  const tally = new ManifestTally(options.onListed);
  const found = (await begun(items)) ?? (keepEmpty ? [] : undefined);
  const keys = stagingKeys(runId);
  if (found !== undefined) await options.onIdentified?.(runId);
  const earlier = await readRequest(stores.staging, runId).catch(() => undefined);
  if (found !== undefined) await stores.staging.putLines(keys.manifest, tally.lines(found));
  const request: RunRequest = {
    schema: "clustseg.run/1",
    run_id: runId,
    ...recipe,
    shard_items: options.shardItems ?? 2048,
    shard_bytes: options.shardBytes ?? 2 * 1024 ** 3,
    force: options.force ?? false,
    created_at: earlier?.created_at ?? new Date(clock.now()).toISOString(),
    manifest: { items: tally.items, bytes: tally.bytes, digest: tally.digest },
  };
  if (found === undefined) return request;
  await stores.staging.put(keys.request, new TextEncoder().encode(`${JSON.stringify(request, undefined, 2)}\n`), {
    contentType: "application/json",
  });
  return request;
}

/** @throws ClustsegError RUN_NOT_FOUND, RUN_REQUEST_INVALID */
export async function readRequest(staging: RunStores["staging"], runId: string): Promise<RunRequest> {
  const { request: key } = stagingKeys(runId);
  const found = await staging.get(key).catch((cause: unknown) => {
    if (!(cause instanceof ClustsegError) || cause.code !== "OBJECT_NOT_FOUND") throw cause;
    throw new ClustsegError("RUN_NOT_FOUND", `there is no run ${runId} in ${staging.uri}`, {
      hint: "Start it again from its source.",
      cause,
    });
  });
  return parseDocument(runRequestSchema, new TextDecoder().decode(found.body), "RUN_REQUEST_INVALID", key);
}

/** The same items once the first has come; undefined when there is none. */
async function begun<T>(items: AsyncIterable<T> | Iterable<T>): Promise<AsyncIterable<T> | undefined> {
  const rest = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let first: IteratorResult<T> | undefined = await rest.next();
  if (first.done) return undefined;
  // By hand: a generator around it would be paid for by each of a million items.
  const next = () => {
    const result = first ?? rest.next();
    first = undefined;
    return Promise.resolve(result);
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

/** Counts the manifest's lines while they stream by, and chains a SHA-256 over them, some thousand lines at a time. */
class ManifestTally {
  items = 0;
  bytes = 0;
  digest = "0".repeat(64);
  readonly #onListed: ((items: number) => void) | undefined;

  constructor(onListed: ((items: number) => void) | undefined) {
    this.#onListed = onListed;
  }

  async *lines(items: AsyncIterable<ManifestLine> | Iterable<ManifestLine>): AsyncGenerator<string> {
    for await (const chunk of inChunks(items, digestChunkLines)) {
      let text = this.digest;
      for (const item of chunk) {
        const line = JSON.stringify(item);
        text += `\n${line}`;
        this.items++;
        this.bytes += item.size;
        yield line;
      }
      this.digest = sha256Hex(text);
      this.#onListed?.(this.items);
    }
  }
}
