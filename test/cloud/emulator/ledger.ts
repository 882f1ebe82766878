import type { Call } from "./traffic.js";

/** What became of a call: the status that the caller saw (0: the connection was cut), and whether AWS carried it out. */
export interface Answer {
  readonly status: number;
  readonly applied: boolean;
  /** Of the object that was read or written. */
  readonly etag: string;
  /** Of its body. */
  readonly answerBytes: number;
}

export interface Entry extends Call, Answer {}

/** Operations that write an object whole. */
const writes: ReadonlySet<string> = new Set(["PutObject", "CopyObject", "CompleteMultipartUpload"]);

/** Every call that went through the proxy, to be counted. */
export class Ledger {
  #entries: Entry[] = [];

  add(call: Call, answer: Answer): void {
    this.#entries.push({ ...call, ...answer });
  }

  /** Where the ledger is now; pass it to the readers below to leave out what was before. */
  mark(): number {
    return this.#entries.length;
  }

  entries(since = 0): readonly Entry[] {
    return this.#entries.slice(since);
  }

  /** Calls of S3 that were answered well, as "stage operation" -> count. */
  countS3(since = 0): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { stage, operation, service, status } of this.entries(since)) {
      if (service !== "s3" || status < 200 || status >= 400) continue;
      const name = `${stage} ${operation}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  }

  /**
   * Writes of objects of a bucket, by key: those that the writer knows to have succeeded. A write that was carried out and whose
   * answer was lost is not among them, as the SDK sends it again and that second one is the write that the program asked for;
   * save when that found the object there (a conditional write): then the lost one is the only one.
   */
  acknowledgedWrites(bucket: string, since = 0): ReadonlyMap<string, readonly Entry[]> {
    const known = new Map<string, Entry[]>();
    const lost = new Map<string, Entry>();
    for (const entry of this.entries(since)) {
      if (entry.bucket !== bucket || !writes.has(entry.operation) || !entry.applied) continue;
      if (entry.status > 299) lost.set(entry.key, lost.get(entry.key) ?? entry);
      else known.set(entry.key, [...(known.get(entry.key) ?? []), entry]);
    }
    for (const [key, entry] of lost) if (!known.has(key)) known.set(key, [entry]);
    return known;
  }

  /** Bytes written by a stage to a bucket. */
  bytesWritten(stage: string, bucket: string, since = 0): number {
    let sum = 0;
    for (const entry of this.entries(since)) {
      if (entry.stage === stage && entry.bucket === bucket && entry.applied && writes.has(entry.operation)) {
        sum += entry.bytes;
      }
    }
    return sum;
  }
}
