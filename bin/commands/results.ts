import type { Command } from "commander";
import type { ResultsOptions } from "../jobs/fetch-results.js";
import type { ExitCode } from "../terminal/exit.js";
import type { Io } from "../terminal/io.js";
import { addCloudOptions, stackHelp } from "./cloud-options.js";
import { outOption, wholeNumber } from "./options.js";

const help = `
Fetches what a run has made, as \`clustseg segment\` would have written it: <out>/<image>/segments.png, metadata.json, the
formats asked for, and the report. metadata.json comes last, and what is there already is not fetched again: the same
command goes on where it was stopped, and fetches the rest of a run that was still at work. \`clustseg view\`, \`inspect\` and
\`export\` work on the folder.
${stackHelp}
Examples:
  clustseg results s-mffz9k1c-0q4t --out masks
  clustseg results s-mffz9k1c-0q4t --out masks --concurrency 32 --json
`;

/** `clustseg results <run>` */
export function addResultsCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  const command = program
    .command("results")
    .description("fetch the results of a run in the cloud")
    .argument("<run>", "a run's id")
    .addOption(outOption("the folder that they go to", "./masks"))
    .option("--concurrency <n>", "images fetched at once", wholeNumber(1, 256), 16);
  addCloudOptions(command, "print one JSON object on stdout, and no progress")
    .addHelpText("after", help)
    .action(async (run: string, _: unknown, self: Command) => {
      const { fetchResults } = await import("../jobs/fetch-results.js");
      done(await fetchResults(io, run, self.optsWithGlobals<ResultsOptions>()));
    });
}
