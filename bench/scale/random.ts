/** Numbers in [0, 1) that a seed determines. */
export type Random = () => number;

/** Mulberry32 by Tommy Ettinger: 32 bits of state, good enough to draw machines' fates from. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Time until the next of events that come so often an hour, in seconds; infinite when they never come. */
export function nextEvent(random: Random, perHour: number): number {
  return perHour === 0 ? Number.POSITIVE_INFINITY : (-Math.log(1 - random()) * 3600) / perHour;
}

/** A factor around 1 (its mean), log-normal; 1 when `spread` is 0. */
export function factor(random: Random, spread: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return spread === 0 ? 1 : Math.exp(spread * normal - spread ** 2 / 2);
}
