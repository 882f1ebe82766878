import { stat } from "node:fs/promises";

interface Seen {
  readonly size: number;
  readonly changedMs: number;
  /** When it was first seen like this. */
  readonly since: number;
}

/**
 * Files that are being written, until they are whole: a file is taken as whole when neither its size nor its time of change
 * has moved for `settleMs`. One that has rested for so long when it is first seen is whole at once.
 */
export class WholeFiles {
  readonly #settleMs: number;
  readonly #pending = new Map<string, Seen | undefined>();

  constructor(settleMs: number) {
    this.#settleMs = settleMs;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** A file appeared or changed. */
  touch(path: string): void {
    // What was seen before stays: it tells that the file is changing, whatever its clock says.
    if (!this.#pending.has(path)) this.#pending.set(path, undefined);
  }

  /** Look at the files that are pending; those that are whole, or gone, are pending no more. */
  async settled(now = Date.now()): Promise<string[]> {
    const whole: string[] = [];
    for (const [path, before] of [...this.#pending]) {
      const found = await stat(path).catch(() => undefined);
      if (found === undefined || !found.isFile()) {
        this.#pending.delete(path);
        continue;
      }
      // ctime moves with every write and cannot be set, as mtime is by `cp -p` when it is done.
      const seen = { size: found.size, changedMs: Math.max(found.mtimeMs, found.ctimeMs) };
      const same = before !== undefined && before.size === seen.size && before.changedMs === seen.changedMs;
      const restedSince = same ? before.since : before === undefined ? Math.min(seen.changedMs, now) : now;
      if (now - restedSince >= this.#settleMs) {
        this.#pending.delete(path);
        whole.push(path);
      } else {
        this.#pending.set(path, { ...seen, since: same ? before.since : now });
      }
    }
    return whole;
  }
}
