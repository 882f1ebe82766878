/**
 * `work` on every value, at most `concurrency` at once, and the results in the order of the values: no more than `concurrency`
 * of them are held. The first error, in that order, is thrown after all that had begun has ended.
 */
export async function* orderedMap<T, R>(
  values: AsyncIterable<T> | Iterable<T>,
  concurrency: number,
  work: (value: T) => Promise<R>,
): AsyncGenerator<R> {
  const running: Promise<R>[] = [];
  try {
    for await (const value of values) {
      const task = work(value);
      // Awaited below, in its turn; until then its failure is nobody's surprise.
      task.catch(() => {});
      running.push(task);
      if (running.length >= concurrency) yield await (running.shift() as Promise<R>);
    }
    while (running.length > 0) yield await (running.shift() as Promise<R>);
  } finally {
    await Promise.allSettled(running);
  }
}
