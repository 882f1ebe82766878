import type { ObjectStore } from "../pipeline/ports.js";
import { asClustsegError, ClustsegError } from "../segments/errors.js";
import { mapAhead } from "./ahead.js";
import { type ListedResult, listResults } from "./result-listing.js";
import { type ResultSummary, readSummary, type SourceIdentity } from "./result-summary.js";
import type { IndexEntry, IndexLine, IndexProblem } from "./wire.js";

/** How addresses are made: by number from a server, by name in files that are written. */
export interface Addresses {
  /** Of a result, below the run's files; undefined when no address leads to it. */
  path(key: string, number: number): string | undefined;
  /** Of the image, from the page; undefined when it cannot be had. */
  image(number: number, source: SourceIdentity): string | undefined;
}

/** Files of metadata read at once. */
const lookAhead = 16;

interface Found {
  readonly entry: IndexEntry;
  readonly summary: ResultSummary;
}

interface Known {
  readonly etag: string;
  readonly summary: ResultSummary;
}

/**
 * The index of a results store, made anew each time it is asked for: results may come while somebody looks. What has not
 * changed is not read again. A result has the same number for as long as the index lives.
 */
export class ResultIndex {
  readonly #results: ObjectStore;
  readonly #addresses: Addresses;
  readonly #keys: string[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #known = new Map<string, Known>();

  constructor(results: ObjectStore, addresses: Addresses) {
    this.#results = results;
    this.#addresses = addresses;
  }

  /** Key of the image whose result has this number; undefined when the index has named none so. */
  keyOf(number: number): string | undefined {
    return this.#keys[number];
  }

  sourceOf(key: string): SourceIdentity | undefined {
    return this.#known.get(key)?.summary.source;
  }

  /** Streamed. A result that cannot be read is a line as well; when the store fails, the last line says so. */
  async *lines(): AsyncGenerator<IndexLine> {
    const told = new Set<string>();
    try {
      for await (const found of mapAhead(listResults(this.#results), lookAhead, (one) => this.#look(one))) {
        if (found === undefined) continue;
        if ("problem" in found) {
          yield found;
          continue;
        }
        for (const category of found.summary.categories) {
          if (told.has(category.name)) continue;
          told.add(category.name);
          yield { category };
        }
        yield found.entry;
      }
    } catch (error) {
      const { message, hint } = asClustsegError(error);
      yield { problem: { message: `${message}. ${hint}` } };
    }
  }

  /** @returns undefined for a result that is not finished yet */
  async #look(listed: ListedResult): Promise<Found | IndexProblem | undefined> {
    const { key, files } = listed;
    try {
      const summary = await this.#summary(listed);
      if (summary === undefined) return undefined;
      const number = this.#numberOf(key);
      const path = this.#addresses.path(key, number);
      if (path === undefined) return { problem: { key, message: "no address in the web leads to a name like this" } };
      const { width, height, task, segments, classes, source } = summary;
      const image = this.#addresses.image(number, source);
      const about = { key, path, width, height, task, segments, classes, files };
      const entry: IndexEntry = image === undefined ? about : { ...about, image };
      return { entry, summary };
    } catch (error) {
      if (error instanceof ClustsegError && (error.fault === "input" || error.code === "METADATA_INVALID"))
        return { problem: { key, message: error.message } };
      throw error;
    }
  }

  async #summary({ key, etag }: ListedResult): Promise<ResultSummary | undefined> {
    const known = this.#known.get(key);
    if (known?.etag === etag) return known.summary;
    const summary = await readSummary(this.#results, key);
    if (summary !== undefined) this.#known.set(key, { etag, summary });
    return summary;
  }

  #numberOf(key: string): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.#keys.length);
    return this.#keys.push(key) - 1;
  }
}
