import type { Command } from "commander";
import type { BundleManifest } from "../../layers/model/bundle.js";
import type { ExitCode } from "../terminal/exit.js";
import { errorText, exitCodes } from "../terminal/exit.js";
import { byteSize, type Io, printable } from "../terminal/io.js";
import { table } from "../terminal/table.js";

const help = `
The first task is the one that is done when --task is not given. Metrics are those that model.json states, with the command that measured them in --json; a model's limits and licence
are there as well.

Examples:
  clustseg models
  clustseg models ./my-bundle --json
`;

/** `clustseg models [bundle...]` */
export function addModelsCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  program
    .command("models")
    .description("list the models: the bundles that ship, and those given")
    .argument("[bundle...]", "folders of other bundles")
    .option("--json", "print one JSON document on stdout")
    .addHelpText("after", help)
    .action(async (given: string[], { json }: { json?: true }) => done(await models(io, given, json ?? false)));
}

/** Characters. */
const classColumn = 30;

interface Listed {
  readonly folder: string;
  readonly manifest?: BundleManifest;
  readonly error?: unknown;
}

async function models(io: Io, given: readonly string[], json: boolean): Promise<ExitCode> {
  const { shippedBundles, findBundle } = await import("../../layers/model/find-bundle.js");
  const { loadManifest } = await import("../../layers/model/bundle.js");
  const folders = [...(await shippedBundles()).values(), ...(await Promise.all(given.map(findBundle)))];
  const listed: Listed[] = await Promise.all(
    folders.map(async (folder) =>
      loadManifest(folder).then(
        (manifest) => ({ folder, manifest }),
        (error: unknown) => ({ folder, error }),
      ),
    ),
  );
  const good = listed.filter(({ manifest }) => manifest !== undefined);
  if (json) io.print(JSON.stringify({ models: listed }, undefined, 2));
  else if (good.length > 0) {
    const rows = good.map(({ manifest }) => row(manifest!));
    io.print(table(["model", "version", "tasks", "classes", "size", "metrics"], rows, [4]));
  } else io.print("no models found");
  for (const { error } of listed) if (error !== undefined) io.note(errorText(error, false));
  return good.length === listed.length ? exitCodes.done : exitCodes.failed;
}

function row({ name, version, tasks, classes, graph, metrics }: BundleManifest): string[] {
  const names = [printable(name), printable(version), tasks.join("\n"), classNames(classes)];
  return [...names, byteSize(graph.bytes), headline(metrics)];
}

/** A few names a line; things first, as they are what is counted. */
function classNames(classes: BundleManifest["classes"]): string {
  if (classes.length === 0) return "none";
  const lines = [""];
  for (const { name } of [...classes].sort((a, b) => Number(b.isthing) - Number(a.isthing))) {
    const line = lines.at(-1)!;
    if (line === "") lines[lines.length - 1] = printable(name);
    else if (line.length + name.length < classColumn) lines[lines.length - 1] = `${line}, ${printable(name)}`;
    else {
      lines[lines.length - 1] = `${line},`;
      lines.push(printable(name));
    }
  }
  return lines.join("\n");
}

/** "ASA .958 at 300" per line; the same figure of several data sets is named with its data. */
function headline(metrics: BundleManifest["metrics"]): string {
  if (metrics.length === 0) return "none stated";
  const sets = new Set(metrics.map(({ data, split }) => `${data} ${split}`));
  return metrics
    .slice(0, 12)
    .map(({ name, at, value, data, split }) => {
      const where = sets.size > 1 ? ` (${data} ${split})` : "";
      return printable(`${name} ${value} at ${at}${where}`);
    })
    .join("\n");
}
