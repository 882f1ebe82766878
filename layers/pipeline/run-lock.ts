import { ClustsegError } from "../segments/errors.js";
import { parseDocument, type RunLockDocument, runLockSchema } from "./contracts.js";
import { stagingKeys } from "./keys.js";
import type { Clock, ObjectStore, RunOwner } from "./ports.js";

/** A lock that was not renewed for so long is free, wherever its owner ran: three renewals have failed by then. */
export const lockStaleMs = 60_000;
const renewMs = 20_000;

export interface RunLockOptions {
  readonly staging: ObjectStore;
  /** Undefined: nothing is locked. */
  readonly owner: RunOwner | undefined;
  readonly clock: Clock;
  /** @default 20 s */
  readonly renewMs?: number | undefined;
}

/**
 * The right to work on a run: the object lock.json in its staging, with its owner's name and the time of its last renewal. It
 * keeps two commands from doing the same work against each other; results are whole with or without it. The lock of an owner
 * that is known to have ended (SIGKILL on this machine) is taken over at once, any other one when it has not been renewed for
 * `lockStaleMs` (clocks of machines that share a store are taken to agree within some seconds).
 *
 * Two that take over the same lock in the same moment may both believe that they have it; the one that was overwritten finds
 * out at its next renewal, and stops.
 */
export class RunLock {
  readonly #options: RunLockOptions;
  readonly #lost = new AbortController();
  #runId = "";
  #timer: ReturnType<typeof setInterval> | undefined;
  #renewal: Promise<void> = Promise.resolve();

  constructor(options: RunLockOptions) {
    this.#options = options;
  }

  /** Aborted, with a RUN_CONFLICT as its reason, when somebody else has taken the lock from us. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** @throws ClustsegError RUN_CONFLICT when somebody else holds it, or a STORE_* code */
  async take(runId: string): Promise<void> {
    const { staging, owner, clock } = this.#options;
    if (owner === undefined) return;
    const { lock: key } = stagingKeys(runId);
    for (let attempt = 0; attempt < 3; attempt++) {
      if ((await staging.put(key, lockBytes(owner, clock), { ifAbsent: true })) === "written") {
        this.#runId = runId;
        this.#timer = setInterval(() => {
          this.#renewal = this.#renewal.then(() => this.#renew(owner));
        }, this.#options.renewMs ?? renewMs);
        return;
      }
      const held = await heldLock(staging, runId, owner, clock);
      if (held !== undefined) throw conflict(runId, held, clock);
      await staging.delete(key);
    }
    throw conflict(runId, undefined, clock);
  }

  /** Give the run free. Never throws: a lock that cannot be deleted becomes stale. */
  async release(): Promise<void> {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    await this.#renewal;
    const { staging, owner } = this.#options;
    try {
      const found = await readLock(staging, this.#runId);
      if (found?.owner === owner?.name) await staging.delete(stagingKeys(this.#runId).lock);
    } catch {}
  }

  async #renew(owner: RunOwner): Promise<void> {
    const { staging, clock } = this.#options;
    try {
      const found = await readLock(staging, this.#runId);
      if (found?.owner === owner.name) await staging.put(stagingKeys(this.#runId).lock, lockBytes(owner, clock));
      else this.#lost.abort(conflict(this.#runId, found, clock));
    } catch {
      // The next renewal is soon enough; a store that stays away ends the run by itself.
    }
  }
}

/** The run's lock if somebody holds it; undefined when there is none, or it is stale, or its owner has ended. */
export async function heldLock(
  staging: ObjectStore,
  runId: string,
  owner: RunOwner | undefined,
  clock: Clock,
): Promise<RunLockDocument | undefined> {
  const found = await readLock(staging, runId);
  if (found === undefined || clock.now() - Date.parse(found.renewed_at) > lockStaleMs) return undefined;
  return owner?.hasEnded(found.owner) ? undefined : found;
}

/** A lock that cannot be read is nobody's. */
async function readLock(staging: ObjectStore, runId: string): Promise<RunLockDocument | undefined> {
  const { lock: key } = stagingKeys(runId);
  try {
    const { body } = await staging.get(key, { maxBytes: 4096 });
    return parseDocument(runLockSchema, new TextDecoder().decode(body), "MANIFEST_INVALID", key);
  } catch (error) {
    if (error instanceof ClustsegError && error.fault === "input") return undefined;
    throw error;
  }
}

function lockBytes(owner: RunOwner, clock: Clock): Uint8Array {
  const document: RunLockDocument = {
    schema: "clustseg.lock/1",
    owner: owner.name,
    renewed_at: new Date(clock.now()).toISOString(),
  };
  return new TextEncoder().encode(`${JSON.stringify(document)}\n`);
}

function conflict(runId: string, held: RunLockDocument | undefined, clock: Clock): ClustsegError {
  const seconds = held === undefined ? 0 : Math.max(0, Math.round((clock.now() - Date.parse(held.renewed_at)) / 1000));
  const who = held === undefined ? "" : `: ${held.owner}, heard of ${seconds} s ago`;
  return new ClustsegError("RUN_CONFLICT", `another process works on the same images (run ${runId})${who}`, {
    hint: `Wait until it has ended, or stop it. A process that was killed on another machine holds a run for ${lockStaleMs / 1000} s more.`,
  });
}
