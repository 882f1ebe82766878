const whole = new Intl.NumberFormat("en-US");

export function count(value: number): string {
  return whole.format(value);
}

/** "1 image", "12 images". */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** A part as people read it: "8.1%", "0.03%", "100%". */
export function percent(part: number): string {
  const value = part * 100;
  if (value === 0 || value >= 99.95) return `${Math.round(value)}%`;
  return `${value.toFixed(value < 0.1 ? 2 : 1)}%`;
}

// Control characters, marks that reverse or hide text (bidirectional overrides), and line separators.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what has to be found
const unprintable = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** A name as it can be shown: what would reorder or hide it is written out. */
export function readable(name: string): string {
  return name.replace(unprintable, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
