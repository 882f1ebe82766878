import path from "node:path";
import type { Command } from "commander";
import type { Check } from "../../layers/pipeline/check-result.js";
import type { ResultMetadata } from "../../layers/pipeline/contracts.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { isS3Address, openStore } from "../addresses/stores.js";
import { type ExitCode, exitCodes } from "../terminal/exit.js";
import { byteSize, count, type Io, jsonLine, printable } from "../terminal/io.js";
import { table } from "../terminal/table.js";

const help = `
Prints what the result says of itself and checks it: that segments.png has ids 1 to n without gaps, and agrees with
metadata.json in size, number, areas and boxes, and that all files are there. Exits with 1 when a check fails: then segment the image again with --force.

Examples:
  clustseg inspect masks/a/b.jpg
  clustseg inspect s3://bucket/masks/a/b.jpg --json
`;

/** `clustseg inspect <result>` */
export function addInspectCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  program
    .command("inspect")
    .description("tell what a result is, and whether it is whole")
    .argument("<result>", "the folder of an image's result, or its metadata.json; a path or an s3:// address")
    .option("--json", "print one JSON document on stdout")
    .addHelpText("after", help)
    .action(async (result: string, { json }: { json?: true }) => done(await inspect(io, result, json ?? false)));
}

async function inspect(io: Io, given: string, json: boolean): Promise<ExitCode> {
  const { checkResult } = await import("../../layers/pipeline/check-result.js");
  const { decodeIds } = await import("../../layers/model/encode.js");
  const { claimOf } = await import("../../layers/pipeline/claim.js");
  const { decodeMetadata } = await import("../../layers/pipeline/metadata.js");
  const folder = folderOf(given);
  const store = await openStore(folder, io.cwd);
  const { body } = await store.get("metadata.json").catch((cause: unknown) => {
    if (!(cause instanceof ClustsegError) || cause.code !== "OBJECT_NOT_FOUND") throw cause;
    throw new ClustsegError("RESULT_NOT_FOUND", `there is no metadata.json in ${folder}`, {
      hint: "Give the folder of one image's result, such as masks/a/b.jpg.",
      cause,
    });
  });
  if (claimOf(body) !== undefined) {
    throw new ClustsegError("RESULT_NOT_FOUND", `the result in ${folder} is being written just now`, {
      hint: "Give the same command again in a moment. A claim that nobody finishes is taken over by the image's next run.",
    });
  }
  const metadata = decodeMetadata(body, path.join(given === folder ? folder : path.dirname(given), "metadata.json"));
  const checks = await checkResult(store, metadata, decodeIds);
  const { segments_info: segments, ...rest } = metadata;
  const { notes = [], ...frame } = metadata.frame;
  const about = { ...rest, frame, ...(notes.length === 0 ? {} : { notes }) };
  const whole = checks.every(({ ok }) => ok);
  const biggest = [...segments].sort((a, b) => b.area - a.area || a.id - b.id).slice(0, 5);
  if (json) io.print(jsonLine({ ...about, biggest, checks, ...(whole ? {} : { hint: remedy }) }));
  else {
    printResult(io, metadata, biggest, checks);
    if (!whole) io.print(remedy);
  }
  return whole ? exitCodes.done : exitCodes.rejected;
}

const remedy =
  "Segment the image again with --force; where segments.png is missing or empty, the same command as before makes it again.";

function folderOf(given: string): string {
  if (!/(^|[/\\])metadata\.json$/.test(given)) return given;
  return isS3Address(given) ? given.slice(0, given.lastIndexOf("/") + 1) : path.dirname(given);
}

function printResult(
  io: Io,
  metadata: ResultMetadata,
  biggest: ResultMetadata["segments_info"],
  checks: readonly Check[],
): void {
  const { source, frame, model, task, parameters, segments, categories, files } = metadata;
  const notes = frame.notes ?? [];
  const settings = Object.entries(parameters).map(([name, value]) => `${name} ${value}`);
  const lines: [string, string][] = [
    ["source", `${source.key} (${byteSize(source.size)}) of ${source.uri}`],
    ["frame", `${frame.width} x ${frame.height} pixels, upright`],
    ["model", `${model.name} ${model.version}, sha256 ${model.sha256.slice(0, 12)}…`],
    ["task", [task, ...settings].join(", ")],
    ["segments", count(segments)],
    ...(categories.length === 0 ? [] : [["classes", classCounts(metadata)] as [string, string]]),
    ...(notes.length === 0 ? [] : [["notes", notes.join("; ")] as [string, string]]),
    ["files", files.map(({ name, bytes }) => `${name} ${byteSize(bytes)}`).join(", ")],
    ["id", metadata.result_id],
  ];
  for (const [name, text] of lines) io.print(`${name.padEnd(9)} ${printable(text)}`);
  io.print(biggest.length === 0 ? "" : `\n${biggestTable(metadata, biggest)}\n`);
  for (const { what, ok, found } of checks) {
    io.print(`${ok ? "ok " : "BAD"} ${what}${found === undefined ? "" : `: ${printable(found)}`}`);
  }
}

/** "person 2, grass, sky": a number where there is more than one segment of the class. */
function classCounts({ categories, segments_info: rows }: ResultMetadata): string {
  const counts = new Map<number, number>();
  for (const { category_id: id = -1 } of rows) counts.set(id, (counts.get(id) ?? 0) + 1);
  const found = categories.filter(({ id }) => counts.has(id)).sort((a, b) => counts.get(b.id)! - counts.get(a.id)!);
  return found.map(({ id, name }) => (counts.get(id) === 1 ? name : `${name} ${count(counts.get(id)!)}`)).join(", ");
}

function biggestTable({ frame, categories }: ResultMetadata, biggest: ResultMetadata["segments_info"]): string {
  const pixels = frame.width * frame.height;
  const nameOf = new Map(categories.map(({ id, name }) => [id, name]));
  const classed = categories.length > 0;
  const rows = biggest.map(({ id, area, bbox, category_id: category, score }) => [
    String(id),
    ...(classed ? [nameOf.get(category ?? -1) ?? "none", score?.toFixed(2) ?? ""] : []),
    count(area),
    `${((100 * area) / pixels).toFixed(1)}%`,
    bbox.join(", "),
  ]);
  const head = ["biggest", ...(classed ? ["class", "score"] : []), "pixels", "part", "box (x, y, width, height)"];
  return table(head, rows, classed ? [0, 2, 3, 4] : [0, 1, 2]);
}
