/**
 * Works on several items at once and gives the results in the order of the items, so that what is made of them is the same
 * whichever is done first. When one fails, or nobody wants more, those under way are waited for.
 *
 * @param limit items at once, those included whose result waits for its turn
 */
export async function* inOrder<Item, Result>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const running: Promise<Result>[] = [];
  let next = 0;
  try {
    for (;;) {
      while (running.length < limit && next < items.length) {
        const result = work(items[next++]!);
        // Its failure is met when its turn comes, or not at all after an earlier one's.
        result.catch(() => {});
        running.push(result);
      }
      const first = running[0];
      if (first === undefined) return;
      const result = await first;
      running.shift();
      yield result;
    }
  } finally {
    await Promise.allSettled(running);
  }
}
