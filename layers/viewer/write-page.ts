import type { ObjectStore } from "../pipeline/ports.js";
import type { PageFile } from "./page-files.js";
import { ResultIndex } from "./result-index.js";
import type { IndexLine, ViewerConfig } from "./wire.js";

/** Results that a written page shows. */
export interface WrittenRun {
  readonly name: string;
  readonly results: ObjectStore;
  /** Where the results lie, seen from the folder that the page is written into: "../". */
  readonly files: string;
  /** The names that a key's parts have as files or in addresses: what "..", say, is called on a disk. */
  names(key: string): readonly string[];
  /** Where the images lie, seen from the page; undefined when they are nowhere. */
  readonly images?: string;
}

/** Below the results that the page is written into. */
export const pagePrefix = "viewer/";

/**
 * Write the page and its index below `viewer/` of a results store, for any server of static files. It shows what is there
 * now: it is written again when results have come.
 *
 * @returns how many results it shows, and what could not be taken in
 */
export async function writePage(
  into: ObjectStore,
  runs: readonly WrittenRun[],
  page: ReadonlyMap<string, PageFile>,
): Promise<{ readonly results: number; readonly problems: readonly string[] }> {
  const problems: string[] = [];
  let results = 0;
  for (const [i, run] of runs.entries()) {
    await into.putLines(
      `${pagePrefix}${indexName(i)}`,
      lines(run, (line) => {
        if ("key" in line) results++;
        else if ("problem" in line) problems.push(`${line.problem.key ?? run.name}: ${line.problem.message}`);
      }),
    );
  }
  const config: ViewerConfig = {
    schema: "clustseg.viewer/1",
    runs: runs.map(({ name, files }, i) => ({ name, files, index: indexName(i) })),
  };
  await put(into, "viewer.json", "application/json", new TextEncoder().encode(JSON.stringify(config)));
  // The entry last: who opens it finds all the rest.
  const files = [...page].sort(([a], [b]) => Number(a === "index.html") - Number(b === "index.html"));
  for (const [name, { type, body }] of files) await put(into, name, type, body);
  return { results, problems };
}

const indexName = (run: number): string => `${["a", "b"][run]}.jsonl`;

async function put(into: ObjectStore, name: string, contentType: string, body: Uint8Array): Promise<void> {
  await into.put(`${pagePrefix}${name}`, body, { contentType });
}

async function* lines(run: WrittenRun, tell: (line: IndexLine) => void): AsyncGenerator<string> {
  const index = new ResultIndex(run.results, {
    path: (key) => addressOf(run.names(key)),
    image: (_, { key }) => (run.images === undefined ? undefined : join(run.images, addressOf(run.names(key)))),
  });
  for await (const line of index.lines()) {
    tell(line);
    yield JSON.stringify(line);
  }
}

function join(images: string, address: string | undefined): string | undefined {
  return address === undefined ? undefined : `${images.replace(/\/*$/, "/")}${address}`;
}

/** Percent-encoded; undefined when a browser would take a part for something else than a name ("..", or none at all). */
function addressOf(names: readonly string[]): string | undefined {
  if (names.some((name) => name === "" || name === "." || name === "..")) return undefined;
  return names.map(encodeURIComponent).join("/");
}
