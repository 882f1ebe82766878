/** Where a command's words go. Results go to stdout and nothing else does, so that they can be piped. */
export interface Io {
  /** A line of the result. */
  print(line: string): void;
  /** A line beside the result: progress, warnings, errors. */
  note(line: string): void;
  /** stderr itself, for what draws. */
  readonly stderr: NodeJS.WriteStream;
  /** Relative paths start here. */
  readonly cwd: string;
  /** Aborted when whoever read the output has gone (`| head`). */
  readonly gone?: AbortSignal;
}

/** The same, without a word: for --quiet. Errors are reported by whoever catches them, so they are still seen. */
export function silenced(io: Io): Io {
  return { ...io, print: () => {}, note: () => {} };
}

// Control characters, marks that reverse or hide text (bidirectional overrides), and line separators.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what has to be found
const unprintable = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const shortEscapes: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A name from a file system, safe on a terminal: what would move the cursor, colour or reorder the line is escaped. */
export function printable(text: string): string {
  return text.replace(unprintable, (character) => shortEscapes[character] ?? escaped(character));
}

/** JSON on one line whose text is printable, too: JSON.stringify leaves some control characters as they are. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(unprintable, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** "1 image", "12 images". */
export function plural(value: number, noun: string, nouns = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : nouns}`;
}

export function byteSize(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  const value = bytes / 1024 ** power;
  return `${power > 0 && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

/** "0.4 s", "12 s", "3 min 5 s", "2 h 10 min". */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
