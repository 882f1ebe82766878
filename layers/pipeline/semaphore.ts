/** At most `capacity` units in use at once; who asks first is served first, so that a big request is not starved. */
export class Semaphore {
  #free: number;
  readonly #capacity: number;
  readonly #waiting: { readonly units: number; readonly resolve: () => void }[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#free = capacity;
  }

  /** Waits until `units` are free and takes them; more than the capacity counts as all of it. Give back by `release`. */
  acquire(units = 1): Promise<void> {
    const wanted = Math.min(units, this.#capacity);
    if (this.#waiting.length === 0 && wanted <= this.#free) {
      this.#free -= wanted;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push({ units: wanted, resolve }));
  }

  /** @param units the same number as was given to `acquire` */
  release(units = 1): void {
    this.#free += Math.min(units, this.#capacity);
    for (let next = this.#waiting[0]; next !== undefined && next.units <= this.#free; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= next.units;
      next.resolve();
    }
  }
}

/**
 * `work` on every value, at most `concurrency` at once; results in the order of the values. The first error is thrown,
 * after all that had begun has ended.
 */
export async function mapBounded<T, R>(
  values: readonly T[],
  concurrency: number,
  work: (value: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(values.length);
  let next = 0;
  let failed = false;
  const lane = async () => {
    while (next < values.length && !failed) {
      const index = next++;
      try {
        results[index] = await work(values[index] as T, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(concurrency, values.length) }, lane));
  for (const ended of lanes) if (ended.status === "rejected") throw ended.reason;
  return results;
}
