// Numbers that look like chance and are the same on every machine: all example pictures are drawn with these.

/** A generator of numbers in [0, 1) from a seed (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A fixed number in [0, 1) for a point of an integer lattice. */
export function hash(x, y, seed = 0) {
  let h = Math.imul(x, 374761393) ^ Math.imul(y, 668265263) ^ Math.imul(seed + 1, 2246822519);
  h = Math.imul(h ^ (h >>> 13), 1274126177);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}

/** Smooth noise in [0, 1): the lattice's numbers, blended between its points. */
export function smooth(x, y, seed = 0) {
  const x0 = Math.floor(x);
  const y0 = Math.floor(y);
  const u = (x - x0) * (x - x0) * (3 - 2 * (x - x0));
  const v = (y - y0) * (y - y0) * (3 - 2 * (y - y0));
  const top = hash(x0, y0, seed) * (1 - u) + hash(x0 + 1, y0, seed) * u;
  const bottom = hash(x0, y0 + 1, seed) * (1 - u) + hash(x0 + 1, y0 + 1, seed) * u;
  return top * (1 - v) + bottom * v;
}

/** Noise with detail at several scales (each half the size and weight of the one before), about [0, 1). */
export function fractal(x, y, octaves, seed = 0) {
  let sum = 0;
  let weight = 0;
  for (let i = 0, scale = 1, part = 1; i < octaves; i++, scale *= 2, part /= 2) {
    sum += part * smooth(x * scale, y * scale, seed + i);
    weight += part;
  }
  return sum / weight;
}

export const clamp = (value, low = 0, high = 1) => Math.min(high, Math.max(low, value));
export const mix = (a, b, t) => a.map((value, i) => value * (1 - t) + b[i] * t);
export const scale = (a, t) => a.map((value) => value * t);
export const step = (from, to, value) => clamp((value - from) / (to - from));
