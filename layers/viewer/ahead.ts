/** `work` on each value as it comes, up to `ahead` of them begun before their turn; results in the order of the values. */
export async function* mapAhead<T, R>(
  values: AsyncIterable<T>,
  ahead: number,
  work: (value: T) => Promise<R>,
): AsyncGenerator<R> {
  const begun: Promise<R>[] = [];
  for await (const value of values) {
    const result = work(value);
    // Whoever waits for an earlier one may never come to this one: then its error is nobody's.
    result.catch(() => {});
    begun.push(result);
    if (begun.length >= ahead) yield await begun.shift()!;
  }
  for (const result of begun) yield await result;
}
