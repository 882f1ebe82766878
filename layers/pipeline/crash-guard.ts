import { z } from "zod";
import { ClustsegError } from "../segments/errors.js";
import { parseDocument } from "./contracts.js";
import { stagingKeys } from "./keys.js";
import type { ObjectStore } from "./ports.js";

const attemptSchema = z.object({
  schema: z.literal("clustseg.attempt/1"),
  /** Attempts at this shard that ended without a word. */
  deaths: z.int().nonnegative(),
  /** The image that was alone in hand, if images were taken one by one. */
  in_hand: z.string().exactOptional(),
  /** How often the program has died with an image alone in hand. */
  suspects: z.record(z.string(), z.int().positive()),
});
type Attempt = z.infer<typeof attemptSchema>;

/** A machine can be taken away while an image is in hand; that this happens twice with the same one is no accident. */
const deathsOfSuspect = 2;

/**
 * Finds the image that kills the program: a decoder that is overrun, memory that is used up. Such a death has no outcome, and
 * tried again it would only happen again. So a worker leaves a mark while it has the shard. Whoever finds one takes the images that
 * may have been in hand one by one, saying each time which, and an image at which it died twice is rejected unread.
 *
 * Costs a write and a deletion a shard, and a write an image only after a death.
 */
export class CrashGuard {
  /** So many of the first images are to be taken one by one. */
  readonly careful: number;
  readonly #staging: ObjectStore;
  readonly #key: string;
  readonly #attempt: Attempt;

  private constructor(staging: ObjectStore, key: string, attempt: Attempt, careful: number) {
    this.#staging = staging;
    this.#key = key;
    this.#attempt = attempt;
    this.careful = careful;
  }

  /** @param inHand images that a dead worker may have had in hand, at most: they are the first without an outcome */
  static async begin(staging: ObjectStore, runId: string, shard: string, inHand: number): Promise<CrashGuard> {
    const key = stagingKeys(runId).attempt(shard);
    const found = await readAttempt(staging, key);
    const suspects = { ...found?.suspects };
    if (found?.in_hand !== undefined) suspects[found.in_hand] = (suspects[found.in_hand] ?? 0) + 1;
    const deaths = found === undefined ? 0 : found.deaths + 1;
    const guard = new CrashGuard(
      staging,
      key,
      { schema: "clustseg.attempt/1", deaths, suspects },
      found === undefined ? 0 : inHand,
    );
    await guard.#write();
    return guard;
  }

  /** Say that this image is alone in hand. @throws ClustsegError ITEM_CRASHED when it has to be left out */
  async take(key: string): Promise<void> {
    if ((this.#attempt.suspects[key] ?? 0) >= deathsOfSuspect) {
      throw new ClustsegError("ITEM_CRASHED", `the program died ${deathsOfSuspect} times while it worked on ${key}`, {
        hint: "Look at the image: it may be an attack on the decoder, or need more memory than the machine has.",
      });
    }
    await this.#write(key);
  }

  /** Images are taken several at a time again. */
  async relax(): Promise<void> {
    await this.#write();
  }

  /** The worker has come to an end of its own, whatever that is. */
  async end(): Promise<void> {
    await this.#staging.delete(this.#key);
  }

  async #write(inHand?: string): Promise<void> {
    const attempt = inHand === undefined ? this.#attempt : { ...this.#attempt, in_hand: inHand };
    await this.#staging.put(this.#key, new TextEncoder().encode(`${JSON.stringify(attempt)}\n`), {
      contentType: "application/json",
    });
  }
}

/** A mark that cannot be read is a mark. */
async function readAttempt(staging: ObjectStore, key: string): Promise<Attempt | undefined> {
  try {
    const { body } = await staging.get(key, { maxBytes: 1024 ** 2 });
    return parseDocument(attemptSchema, new TextDecoder().decode(body), "MANIFEST_INVALID", key);
  } catch (error) {
    if (!(error instanceof ClustsegError) || error.fault !== "input") throw error;
    if (error.code === "OBJECT_NOT_FOUND") return undefined;
    return { schema: "clustseg.attempt/1", deaths: 0, suspects: {} };
  }
}
