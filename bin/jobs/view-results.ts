import path from "node:path";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { namesOfKey } from "../../layers/storage/folder-keys.js";
import { loadPage } from "../../layers/viewer/page-files.js";
import { listResults } from "../../layers/viewer/result-listing.js";
import { startViewer } from "../../layers/viewer/server.js";
import { pagePrefix, type WrittenRun, writePage } from "../../layers/viewer/write-page.js";
import { imageSources } from "../addresses/image-sources.js";
import { below, checkFolder, isS3Address, openStore } from "../addresses/stores.js";
import type { CommonOptions } from "../commands/options.js";
import { type ExitCode, exitCodes } from "../terminal/exit.js";
import { type Io, jsonLine, plural, printable, silenced } from "../terminal/io.js";
import { listenForStop } from "../terminal/stop.js";

export interface ViewOptions extends CommonOptions {
  readonly port?: number;
  /** Write the page instead of serving it. */
  readonly write?: true;
  /** Where the images lie, seen from the written page. */
  readonly images?: string;
  readonly json?: true;
  readonly quiet?: true;
}

interface NamedResults {
  readonly address: string;
  readonly name: string;
  readonly results: ObjectStore;
}

/** Serve a page that shows results, until a signal; or write it beside them. */
export async function viewResults(io: Io, addresses: readonly string[], options: ViewOptions): Promise<ExitCode> {
  const names = namesOf(addresses, io.cwd);
  const runs = await Promise.all(addresses.map((address, i) => open(io, address, names[i]!)));
  const page = await loadPage();
  return options.write ? write(io, runs, page, options) : serve(io, runs, page, options);
}

async function serve(
  io: Io,
  runs: readonly NamedResults[],
  page: Awaited<ReturnType<typeof loadPage>>,
  options: ViewOptions,
): Promise<ExitCode> {
  const talk = options.quiet ? silenced(io) : io;
  const served = await Promise.all(
    runs.map(async ({ address, name, results }) => ({ name, results, openSource: await imageSources(address) })),
  );
  const viewer = await startViewer({
    runs: served,
    page,
    ...(options.port === undefined ? {} : { port: options.port }),
  });
  if (options.json) io.print(jsonLine({ type: "serving", url: viewer.url }));
  else {
    talk.print(viewer.url);
    talk.note("only this machine can open it; Ctrl-C ends it");
  }
  const stop = listenForStop({ gone: io.gone, onStop: () => {} });
  try {
    if (!stop.signal.aborted) await new Promise((resolve) => stop.signal.addEventListener("abort", resolve));
  } finally {
    stop.release();
    await viewer.close();
  }
  return exitCodes.done;
}

async function write(
  io: Io,
  runs: readonly NamedResults[],
  page: Awaited<ReturnType<typeof loadPage>>,
  { images, json, quiet }: ViewOptions,
): Promise<ExitCode> {
  const [first] = runs;
  const written = runs.map(({ address, name, results }): WrittenRun => {
    const folder = isS3Address(address) ? undefined : { windows: process.platform === "win32" };
    return {
      name,
      results,
      files: `../${wayBetween(first!.results.uri, results.uri)}`,
      names: (key) => (folder === undefined ? key.split("/") : namesOfKey(key, folder).map((one) => one.name)),
      ...(images === undefined ? {} : { images }),
    };
  });
  const { results, problems } = await writePage(first!.results, written, page);
  const index = below(first!.address, `${pagePrefix}index.html`);
  if (json) io.print(jsonLine({ type: "written", page: index, results, problems }));
  else if (!quiet) {
    io.print(`${printable(index)} shows ${plural(results, "result")}; any web server can serve it`);
    for (const problem of problems.slice(0, 20)) io.note(`left out ${printable(problem)}`);
    if (problems.length > 20) io.note(`… and ${plural(problems.length - 20, "more result")}`);
  }
  return problems.length > 0 ? exitCodes.rejected : exitCodes.done;
}

/** @throws ClustsegError RESULT_NOT_FOUND when there is nothing to see */
async function open(io: Io, address: string, name: string): Promise<NamedResults> {
  await checkFolder(address, io.cwd);
  const results = await openStore(address, io.cwd);
  for await (const _ of listResults(results)) return { address, name, results };
  const isOne = (await results.head("metadata.json")) !== undefined;
  throw new ClustsegError("RESULT_NOT_FOUND", `there are no results in ${address}`, {
    hint: isOne
      ? "This is the result of one image: give the folder that holds all of them."
      : "Give what `clustseg segment --out` was given (if nothing, ./masks).",
  });
}

/** What people know the results by: the last part of their address, or as many as tell two of them apart. */
function namesOf(addresses: readonly string[], cwd: string): string[] {
  const parts = addresses.map((address) =>
    (isS3Address(address) ? address.slice("s3://".length) : path.resolve(cwd, address))
      .split(/[/\\]/)
      .filter((one) => one !== ""),
  );
  for (let count = 1; ; count++) {
    const names = parts.map((all) => all.slice(-count).join("/"));
    if (new Set(names).size === names.length || parts.every((all) => all.length <= count)) return names;
  }
}

/** How an address of one place reads at another: "" for the same, "../other/". @throws ClustsegError USAGE when it cannot be */
function wayBetween(from: string, to: string): string {
  const [a, b] = [from, to].map((uri) => new URL(uri.endsWith("/") ? uri : `${uri}/`));
  if (a!.protocol !== b!.protocol || a!.host !== b!.host) {
    throw new ClustsegError("USAGE", "a written page cannot show results of two places", {
      hint: "Put both results into one bucket, or below one folder; without --write, any two can be looked at.",
    });
  }
  const way = path.posix.relative(a!.pathname, b!.pathname);
  return way === "" ? "" : `${way}/`;
}
