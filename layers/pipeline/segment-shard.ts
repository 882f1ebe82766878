import { hasObjects } from "../segments/categories.js";
import { asClustsegError, ClustsegError } from "../segments/errors.js";
import type { StopMarker } from "./cloud-contracts.js";
import type { ItemOutcome, ManifestLine, RunRequest } from "./contracts.js";
import { CrashGuard } from "./crash-guard.js";
import type { FailureBudget } from "./failure-budget.js";
import { checkImageKey } from "./keys.js";
import { encodeMetadata } from "./metadata.js";
import type { PackItem } from "./pack.js";
import { PackWriter } from "./pack-writer.js";
import { type Clock, type RunStores, type Segmenter, systemClock } from "./ports.js";
import { resultIds } from "./result-id.js";
import { RunWatch } from "./run-watch.js";
import { Semaphore } from "./semaphore.js";
import { readShard, readShardState } from "./shard.js";

export interface SegmentShardOptions {
  readonly stores: Pick<RunStores, "uploads" | "staging">;
  readonly segmenter: Segmenter;
  readonly request: RunRequest;
  readonly shard: string;
  /** Calls of `segmenter.process` at once. @default 2 */
  readonly concurrency?: number;
  /** Images fetched or being fetched that wait for their turn. @default 4 */
  readonly fetchAhead?: number;
  /** Bytes of the images in hand at most (one image may have more). @default 256 MiB */
  readonly fetchBytes?: number;
  /** Larger files are rejected unread. @default 512 MiB */
  readonly maxImageBytes?: number;
  /** A pack is written when it has as many items, @default 32, bytes, @default 8 MiB, or is as old, @default 15 s. */
  readonly packItems?: number;
  readonly packBytes?: number;
  readonly packSeconds?: number;
  /** Stops cleanly: what is being segmented is finished and packed, nothing else is begun. */
  readonly signal?: AbortSignal;
  /** Look for the run's stop marker at the start and after each pack, and stop as `signal` does. @default false */
  readonly watchStop?: boolean;
  /** Over this shard and the shards that were published before it began; spent, it marks the run as stopped. @default none */
  readonly sharedBudget?: FailureBudget;
  /** Find an image at which the program dies, and reject it, instead of dying for ever (see CrashGuard). @default false */
  readonly crashGuard?: boolean;
  readonly clock?: Clock;
  readonly onOutcome?: (outcome: ItemOutcome) => void;
  /** Called after each pack was written; the next but one waits for it. */
  readonly onPack?: (pack: number, items: number) => Promise<void> | void;
}

export interface ShardProgress {
  readonly items: number;
  /** Items with an outcome, those of earlier calls included. */
  readonly done: number;
  /** False when it was stopped: call again to go on. */
  readonly complete: boolean;
  /** Why the run was stopped, if it was. */
  readonly stopped?: StopMarker["reason"];
}

/** Packs whose items have no outcome yet: one that is gathered, one that waits, one that is being written. */
const packsInHand = 3;

/** So many system faults in a row, with no success between, are the machine's and not the images'. */
const faultsInARow = 5;

/**
 * Segment the images of one shard: fetch, segmentation and staging overlap, with a bounded number of images in hand. Goes on
 * where an earlier call (that was killed, say) has come: items in packs, or in outcomes of published packs, are not touched.
 * An image that fails ends as "rejected" and harms no other.
 *
 * @throws ClustsegError MANIFEST_INVALID; STORE_* when staging fails; errors of the segmenter that are no image's fault
 */
export async function segmentShard(options: SegmentShardOptions): Promise<ShardProgress> {
  const { stores, request, shard, signal } = options;
  const { concurrency = 2, fetchAhead = 4, fetchBytes = 256 * 1024 ** 2, packItems = 32 } = options;
  const items = await readShard(stores.staging, request.run_id, shard);
  const state = await readShardState(stores.staging, request.run_id, shard, { dropDamaged: true });
  const todo = state.complete ? [] : items.filter(({ key }) => !state.outcomes.has(key));
  const watch = new RunWatch(options);
  if (todo.length > 0) await watch.begin(state.outcomes.values());

  const writer = new PackWriter({
    staging: stores.staging,
    runId: request.run_id,
    shard,
    firstPack: state.nextPack,
    packItems,
    packBytes: options.packBytes ?? 8 * 1024 ** 2,
    packSeconds: options.packSeconds ?? 15,
    clock: options.clock ?? systemClock,
    onPack: async (pack, count) => {
      await options.onPack?.(pack, count);
      await watch.look();
    },
  });
  const collector = new OutcomeCollector(writer, (outcome) => {
    watch.count(outcome);
    options.onOutcome?.(outcome);
  });
  const stopped = () => signal?.aborted === true || collector.failure !== undefined || watch.stopped !== undefined;
  const work = itemWorker(options, new Semaphore(concurrency));
  const places = new Semaphore(concurrency + fetchAhead);
  const bytes = new Semaphore(fetchBytes);
  const running = new Set<Promise<void>>();
  const guard =
    options.crashGuard && todo.length > 0
      ? await CrashGuard.begin(
          stores.staging,
          request.run_id,
          shard,
          concurrency + fetchAhead + packsInHand * packItems,
        )
      : undefined;

  for (const [index, item] of todo.entries()) {
    await places.acquire();
    await bytes.acquire(item.size);
    const isCareful = guard !== undefined && index < guard.careful;
    if (isCareful) await Promise.all(running);
    else if (index > 0 && index === guard?.careful) {
      await Promise.all(running);
      await guard.relax();
    }
    if (stopped()) break;
    const task = work(item, stopped, isCareful ? guard : undefined)
      .then((done) => (done === undefined ? undefined : collector.take(done)))
      .catch((error: unknown) => collector.fail(error))
      .finally(() => {
        places.release();
        bytes.release(item.size);
        running.delete(task);
      });
    running.add(task);
  }
  await Promise.all(running);
  try {
    await collector.end();
    await watch.end();
  } finally {
    await guard?.end();
  }
  const done = items.length - todo.length + collector.count;
  const progress = { items: items.length, done, complete: done === items.length };
  return watch.stopped === undefined ? progress : { ...progress, stopped: watch.stopped };
}

interface Finished {
  readonly item: PackItem;
  /** Set when the item was rejected for a reason that may be the machine's. */
  readonly suspect?: ClustsegError;
}

/** Brings one item to its outcome; undefined when `stopped` before its segmentation began. */
function itemWorker(options: SegmentShardOptions, slots: Semaphore) {
  const { stores, segmenter, request, maxImageBytes = 512 * 1024 ** 2 } = options;
  const { task, parameters, formats } = request;
  const idOf = resultIds(request);

  return async (item: ManifestLine, stopped: () => boolean, guard?: CrashGuard): Promise<Finished | undefined> => {
    const { key, etag, versionId } = item;
    const resultId = idOf(item);
    try {
      checkImageKey(key);
      await guard?.take(key);
      // Known without asking the store.
      if (item.size > maxImageBytes) throw tooLarge(item, maxImageBytes);
      const { body, info } = await stores.uploads.get(key, {
        ...(etag === "" ? {} : { ifMatch: etag }),
        ...(versionId === undefined ? {} : { versionId }),
        maxBytes: maxImageBytes,
      });
      const superseded = versionId !== undefined && (await isSuperseded(stores.uploads, item));
      await slots.acquire();
      try {
        if (stopped()) return undefined;
        const image = await segmenter.process(body, { task, parameters, formats, name: key });
        const files = new Map(image.files);
        files.set("metadata.json", encodeMetadata(request, item, resultId, image, info.lastModified));
        const { width, height, notes } = image.frame;
        const { decode, infer, encode } = image.ms;
        const outcome: ItemOutcome = {
          key,
          etag,
          result_id: resultId,
          status: "segmented",
          segments: image.segments.length,
          ...(hasObjects(task) ? { objects: image.segments.filter(({ isThing }) => isThing).length } : {}),
          frame: { width, height },
          ...(notes.length === 0 ? {} : { notes: [...notes] }),
          ...(superseded ? { superseded } : {}),
          ms: { decode, infer, encode },
        };
        return { item: { outcome, files } };
      } finally {
        slots.release();
      }
    } catch (thrown) {
      const error = asClustsegError(thrown);
      // Wrong parameters, a damaged model: every image would fail alike, so it is no image's outcome.
      if (error.fault === "user") throw error;
      const outcome: ItemOutcome = { key, etag, result_id: resultId, status: "rejected", error: error.toJSON() };
      const finished = { item: { outcome, files: new Map<string, Uint8Array>() } };
      return error.fault === "system" ? { ...finished, suspect: error } : finished;
    }
  };
}

/** Is there a later upload of the key by now? Then this version's result must not come after that one's. */
async function isSuperseded(uploads: RunStores["uploads"], { key, etag }: ManifestLine): Promise<boolean> {
  const latest = await uploads.head(key);
  return latest !== undefined && latest.etag !== etag;
}

function tooLarge({ key, size }: ManifestLine, limit: number): ClustsegError {
  return new ClustsegError("OBJECT_TOO_LARGE", `${key} has ${size} bytes, the limit is ${limit}`, {
    hint: "Leave it out, or raise the limit.",
  });
}

/**
 * Hands finished items to the packs. Rejections by a system fault wait until an image succeeds (then they were that image's
 * own) or until there are too many of them: then the shard fails, and they have no outcome, so that a later call tries again.
 */
class OutcomeCollector {
  count = 0;
  failure: unknown;
  #suspects: Finished[] = [];
  readonly #writer: PackWriter;
  readonly #onOutcome: (outcome: ItemOutcome) => void;

  constructor(writer: PackWriter, onOutcome: (outcome: ItemOutcome) => void) {
    this.#writer = writer;
    this.#onOutcome = onOutcome;
  }

  async take(finished: Finished): Promise<void> {
    if (finished.suspect !== undefined) {
      this.#suspects.push(finished);
      if (this.#suspects.length >= faultsInARow) this.fail(finished.suspect);
      return;
    }
    const proven = finished.item.outcome.status === "segmented" ? this.#suspects.splice(0) : [];
    for (const { item } of [...proven, finished]) await this.#add(item);
  }

  fail(error: unknown): void {
    this.failure ??= error;
  }

  async end(): Promise<void> {
    if (this.failure === undefined) for (const { item } of this.#suspects.splice(0)) await this.#add(item);
    try {
      // What was finished before a failure is kept.
      await this.#writer.flush();
    } catch (error) {
      this.fail(error);
    }
    if (this.failure !== undefined) throw this.failure;
  }

  async #add(item: PackItem): Promise<void> {
    await this.#writer.add(item);
    this.count++;
    this.#onOutcome(item.outcome);
  }
}
