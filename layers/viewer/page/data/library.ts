import type { IndexCategory, IndexEntry, ViewerRun } from "../../wire.js";
import { type Paint, paintOf } from "../draw/colours.js";
import { isNumber, isRecord, isRgb, isText } from "./read.js";

/** An image, and its result in each run; undefined where a run has none. */
export interface Item {
  readonly key: string;
  readonly entries: (IndexEntry | undefined)[];
}

export interface ClassInfo {
  readonly name: string;
  readonly color: Paint;
  readonly isThing: boolean;
  /** Images that have it. */
  images: number;
}

/** All results that there are to see, filled while the indexes come in. */
export class Library {
  readonly runs: readonly ViewerRun[];
  readonly items: Item[] = [];
  readonly classes = new Map<string, ClassInfo>();
  /** Results that cannot be shown, and why. */
  readonly problems: string[] = [];
  /** Has some segment a score? Else there is nothing to filter by it. */
  hasScores = false;
  loading = true;
  readonly #byKey = new Map<string, Item>();
  readonly #onChange: () => void;

  constructor(runs: readonly ViewerRun[], onChange: () => void) {
    this.runs = runs;
    this.#onChange = onChange;
  }

  find(key: string): Item | undefined {
    return this.#byKey.get(key);
  }

  /** Read the indexes, one run after the other. Never throws: what goes wrong is one of the problems. */
  async load(): Promise<void> {
    for (const [run, { name, index }] of this.runs.entries()) {
      try {
        for await (const lines of readLines(index)) {
          for (const line of lines) this.#add(run, JSON.parse(line));
          this.#onChange();
        }
      } catch (error) {
        this.problems.push(`The index of ${name} broke off: ${error instanceof Error ? error.message : error}`);
      }
    }
    this.loading = false;
    this.#onChange();
  }

  #add(run: number, line: unknown): void {
    if (!isRecord(line)) return;
    if (isRecord(line["category"])) this.#addClass(line["category"]);
    else if (isRecord(line["problem"])) {
      const { key, message } = line["problem"];
      this.problems.push(isText(key) ? `${key}: ${message}` : String(message));
    } else if (isEntry(line)) this.#addEntry(run, line);
  }

  #addClass({ name, color, isthing }: Record<string, unknown> | IndexCategory["category"]): void {
    if (!isText(name) || !isRgb(color) || this.classes.has(name)) return;
    this.classes.set(name, { name, color: paintOf(color), isThing: isthing === true, images: 0 });
  }

  #addEntry(run: number, entry: IndexEntry): void {
    let item = this.#byKey.get(entry.key);
    const isNew = item === undefined;
    if (item === undefined) {
      item = { key: entry.key, entries: this.runs.map(() => undefined) };
      this.#byKey.set(entry.key, item);
      this.items.push(item);
    }
    item.entries[run] = entry;
    for (const [name, , score] of entry.classes) {
      const known = this.classes.get(name);
      if (known !== undefined && isNew) known.images++;
      if (score !== null) this.hasScores = true;
    }
  }
}

function isEntry(line: Record<string, unknown>): line is Record<string, unknown> & IndexEntry {
  const { key, path, width, height, task, segments, classes, files } = line;
  if (!isText(key) || !isText(path) || !isNumber(width) || !isNumber(height) || !isText(task)) return false;
  return isNumber(segments) && width > 0 && height > 0 && Array.isArray(classes) && Array.isArray(files);
}

/** The lines of a text as they come in, some at a time. */
async function* readLines(address: string): AsyncGenerator<string[]> {
  const response = await fetch(address);
  if (!response.ok || response.body === null) throw new Error(`${address}: ${response.status}`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (value ?? "")).split("\n");
    rest = done ? "" : lines.pop()!;
    yield lines.filter((line) => line !== "");
    if (done) return;
  }
}
