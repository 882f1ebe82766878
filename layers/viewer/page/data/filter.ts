import type { IndexEntry } from "../../wire.js";

/** What a person wants to see. */
export interface Filter {
  /** In the image's name. */
  readonly search: string;
  /** Names of classes; empty for all. */
  readonly classes: ReadonlySet<string>;
  /** Segments with a lower score are left out; those without a score never. */
  readonly score: number;
}

export const noFilter: Filter = { search: "", classes: new Set(), score: 0 };

export function isFiltering({ search, classes, score }: Filter): boolean {
  return search.trim() !== "" || classes.size > 0 || score > 0;
}

/** Has the image a segment that passes? One without classes (superpixels) is judged by its name alone. */
export function passesImage(entry: Pick<IndexEntry, "key" | "classes">, filter: Filter): boolean {
  if (!plain(entry.key).includes(plain(filter.search.trim()))) return false;
  if (entry.classes.length === 0) return filter.classes.size === 0;
  return entry.classes.some(([name, , score]) => passesSegment({ name, score: score ?? undefined }, filter));
}

/** @param segment its class's name and its score, each undefined when it has none */
export function passesSegment(
  segment: { readonly name: string | undefined; readonly score: number | undefined },
  { classes, score }: Filter,
): boolean {
  if (classes.size > 0 && (segment.name === undefined || !classes.has(segment.name))) return false;
  return segment.score === undefined || segment.score >= score;
}

/** Composed and decomposed letters are the same to people, and so are capitals. */
function plain(text: string): string {
  return text.normalize("NFC").toLowerCase();
}
