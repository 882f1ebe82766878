import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isResultFileName, resultFileTypes, resultKey } from "../pipeline/keys.js";
import type { ObjectStore } from "../pipeline/ports.js";
import { asClustsegError, ClustsegError } from "../segments/errors.js";
import { refusalOf, safetyHeaders } from "./guard.js";
import type { PageFile } from "./page-files.js";
import { ResultIndex } from "./result-index.js";
import { type OpenSource, readSourceImage } from "./source-image.js";
import type { ViewerConfig } from "./wire.js";

/** Results that are looked at. */
export interface ServedRun {
  readonly name: string;
  readonly results: ObjectStore;
  readonly openSource: OpenSource;
}

export interface ViewerOptions {
  /** One, or two to be compared. */
  readonly runs: readonly ServedRun[];
  readonly page: ReadonlyMap<string, PageFile>;
  /** @default one that is free */
  readonly port?: number;
}

export interface Viewer {
  /** "http://127.0.0.1:43127/" */
  readonly url: string;
  close(): Promise<void>;
}

/** Names of the runs in addresses, in their order. */
const letters = ["a", "b"] as const;

/** Characters of an index that are sent at once, at most. */
const largestPiece = 16_384;

interface OpenRun extends ServedRun {
  readonly index: ResultIndex;
}

/** What can be answered; a stream for what is long. */
interface Answer {
  readonly type: string;
  readonly body: Uint8Array | AsyncIterable<string>;
  readonly etag?: string;
}

/**
 * Serve the page and the results on 127.0.0.1. A result is asked for by its number in the index and a file by one of the
 * names of `resultFileTypes`, so that no address names a path.
 *
 * @throws ClustsegError USAGE when the port is taken
 */
export async function startViewer({ runs, page, port = 0 }: ViewerOptions): Promise<Viewer> {
  const open = new Map(runs.map((run, i) => [letters[i] as string, { ...run, index: indexOf(run, letters[i]!) }]));
  const server = createServer((request, response) => {
    answer(request, response, open, page).catch((error: unknown) => fail(response, error));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => reject(listenError(cause, port)));
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function indexOf({ results, openSource }: ServedRun, letter: string): ResultIndex {
  return new ResultIndex(results, {
    path: (_, number) => String(number),
    image: (number, { uri }) => (openSource(uri) === undefined ? undefined : `${letter}/${number}/image`),
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  runs: ReadonlyMap<string, OpenRun>,
  page: ReadonlyMap<string, PageFile>,
): Promise<void> {
  const refusal = refusalOf(request);
  if (refusal !== undefined) return say(response, refusal.status, refusal.message);
  const found = await find((request.url ?? "").replace(/\?.*$/s, ""), runs, page);
  if (found === undefined) return say(response, 404, "There is nothing here.");
  const { type, body, etag } = found;
  const headers = { ...safetyHeaders, "content-type": type, ...(etag === undefined ? {} : { etag: `"${etag}"` }) };
  if (etag !== undefined && request.headers["if-none-match"] === `"${etag}"`) {
    response.writeHead(304, headers).end();
  } else if (!(body instanceof Uint8Array)) {
    response.writeHead(200, headers);
    if (request.method === "HEAD") response.end();
    // Whoever asked may have gone before the end: that is theirs to do.
    else await pipeline(Readable.from(body, { objectMode: true }), response).catch(() => {});
  } else {
    response.writeHead(200, { ...headers, "content-length": body.length });
    response.end(request.method === "HEAD" ? undefined : body);
  }
}

async function find(
  path: string,
  runs: ReadonlyMap<string, OpenRun>,
  page: ReadonlyMap<string, PageFile>,
): Promise<Answer | undefined> {
  if (path === "/viewer.json") return { type: "application/json", body: new TextEncoder().encode(configOf(runs)) };
  const file = page.get(path === "/" ? "index.html" : path.slice(1));
  if (file !== undefined) return file;
  const [, letter = "", rest = ""] = /^\/([ab])(?:\.(jsonl)|\/.*)$/s.exec(path) ?? [];
  const run = runs.get(letter);
  if (run === undefined) return undefined;
  if (rest === "jsonl") return { type: "application/x-ndjson", body: linesOf(run.index) };
  const [, number, name = ""] = /^\/[ab]\/(\d{1,9})\/([a-z.]+)$/.exec(path) ?? [];
  const key = number === undefined ? undefined : run.index.keyOf(Number(number));
  if (key === undefined) return undefined;
  return name === "image" ? imageOf(run, key) : fileOf(run, key, name);
}

async function fileOf({ results }: OpenRun, key: string, name: string): Promise<Answer | undefined> {
  if (!isResultFileName(name)) return undefined;
  try {
    const { body, info } = await results.get(resultKey(key, name));
    return { type: resultFileTypes[name], body, etag: info.etag };
  } catch (error) {
    if (error instanceof ClustsegError && error.fault === "input") return undefined;
    throw error;
  }
}

async function imageOf({ index, openSource }: OpenRun, key: string): Promise<Answer | undefined> {
  const source = index.sourceOf(key);
  if (source === undefined) return undefined;
  const image = await readSourceImage(openSource, source);
  return image === undefined ? undefined : { ...image, etag: source.etag };
}

function configOf(runs: ReadonlyMap<string, OpenRun>): string {
  const config: ViewerConfig = {
    schema: "clustseg.viewer/1",
    runs: [...runs].map(([letter, { name }]) => ({ name, index: `${letter}.jsonl`, files: `${letter}/` })),
  };
  return JSON.stringify(config);
}

/** In pieces, as each is a chunk of its own on the wire: the first line at once, then twice as much each time. */
async function* linesOf(index: ResultIndex): AsyncGenerator<string> {
  let piece = "";
  let sent = 0;
  for await (const line of index.lines()) {
    piece += `${JSON.stringify(line)}\n`;
    if (piece.length < Math.min(largestPiece, sent)) continue;
    yield piece;
    sent += piece.length;
    piece = "";
  }
  yield piece;
}

function say(response: ServerResponse, status: number, message: string): void {
  const allow = status === 405 ? { allow: "GET, HEAD" } : {};
  response.writeHead(status, { ...safetyHeaders, ...allow, "content-type": "text/plain; charset=utf-8" });
  response.end(`${message}\n`);
}

function fail(response: ServerResponse, error: unknown): void {
  if (response.headersSent) response.destroy();
  else say(response, 500, asClustsegError(error).message);
}

function listenError(cause: NodeJS.ErrnoException, port: number): ClustsegError {
  return new ClustsegError("USAGE", `nothing can be served on port ${port} (${cause.code ?? cause.message})`, {
    hint: "Give another --port, or none: then a free one is taken.",
    cause,
  });
}
