import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { ClustsegError } from "../layers/segments/errors.js";
import { addCancelCommand } from "./commands/cancel.js";
import { addDemoCommand } from "./commands/demo.js";
import { addDoctorCommand } from "./commands/doctor.js";
import { addEstimateCommand } from "./commands/estimate.js";
import { addExportCommand } from "./commands/export.js";
import { addInspectCommand } from "./commands/inspect.js";
import { addLogsCommand } from "./commands/logs.js";
import { addModelsCommand } from "./commands/models.js";
import { addRedriveCommand } from "./commands/redrive.js";
import { addResultsCommand } from "./commands/results.js";
import { addSegmentCommand } from "./commands/segment.js";
import { addStatusCommand } from "./commands/status.js";
import { addSubmitCommand } from "./commands/submit.js";
import { addUploadCommand } from "./commands/upload.js";
import { addViewCommand } from "./commands/view.js";
import { addWatchCommand } from "./commands/watch.js";
import { type ExitCode, exitCodeOf, exitCodes, reportError } from "./terminal/exit.js";
import type { Io } from "./terminal/io.js";

const help = `
Exit codes:
  0  done: every image has its masks
  1  done, but images were rejected (or, with inspect and doctor, a check failed)
  2  the command cannot be carried out as it was given
  3  failed, or stopped before the end: the same command goes on where it was

Examples:
  clustseg demo                                  the example images, in a few seconds
  clustseg segment photos --overlay              masks and overlays of a folder, into ./masks
  clustseg watch inbox --out masks               segment files as they land
  clustseg export masks --format coco            one data set of all results, for other tools
  clustseg view masks                            look at results in the browser
  clustseg inspect masks/a.jpg                   what a result is, and whether it is whole
  clustseg doctor                                what is installed and what works
  clustseg upload photos                         into the cloud: masks of what lands in the bucket
  clustseg status --watch                        how the newest run in the cloud stands

clustseg <command> --help tells all about a command.
`;

/**
 * Run one command line. Never throws: what goes wrong is told on stderr.
 * @param args without node and the script
 */
export async function runProgram(args: readonly string[], io: Io): Promise<ExitCode> {
  let code: ExitCode = exitCodes.done;
  const program = buildProgram(io, (result) => {
    code = result;
  });
  // Help was not asked for, so that it goes where errors go, and a script sees that nothing was done.
  if (args.length === 0) {
    program.configureOutput({ writeErr: (text) => io.note(text.trimEnd()) }).outputHelp({ error: true });
    return exitCodes.usage;
  }
  try {
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.done;
    const told = error instanceof CommanderError ? usageError(error, args) : error;
    // Looked for by hand, as the command line may be what could not be parsed.
    reportError(io, told, { json: args.includes("--json"), debug: args.includes("--debug") });
    return exitCodeOf(told);
  }
}

function buildProgram(io: Io, done: (code: ExitCode) => void): Command {
  const program = new Command("clustseg")
    .description("ClustSeg: universal image segmentation by clustering. Images in, masks out.")
    .usage("<command> [options]")
    .version(packageVersion(), "--version", "print the version")
    .helpOption("--help", "print this")
    .option("--debug", "print the stack of an error")
    .configureHelp({ showGlobalOptions: true, helpWidth: 118 })
    .configureOutput({ writeOut: (text) => io.print(text.trimEnd()), writeErr: () => {} })
    .exitOverride()
    .addHelpText("after", help);
  addSegmentCommand(program, io, done);
  addWatchCommand(program, io, done);
  addViewCommand(program, io, done);
  addExportCommand(program, io, done);
  addModelsCommand(program, io, done);
  addInspectCommand(program, io, done);
  addDoctorCommand(program, io, done);
  addDemoCommand(program, io, done);
  addUploadCommand(program, io, done);
  addSubmitCommand(program, io, done);
  addStatusCommand(program, io, done);
  addResultsCommand(program, io, done);
  addLogsCommand(program, io, done);
  addCancelCommand(program, io, done);
  addRedriveCommand(program, io, done);
  addEstimateCommand(program, io, done);
  return program;
}

function usageError(error: CommanderError, args: readonly string[]): ClustsegError {
  if (error.code === "commander.help") {
    return new ClustsegError("USAGE", "no command was given", {
      hint: "Try `clustseg demo`, or `clustseg --help` for all commands.",
    });
  }
  const command = args.find((arg) => !arg.startsWith("-"));
  const known = command !== undefined && error.code !== "commander.unknownCommand" ? ` ${command}` : "";
  const message = error.message.replace(/^error: /, "").replaceAll("\n", " ");
  return new ClustsegError("USAGE", message, { hint: `\`clustseg${known} --help\` tells what can be given.` });
}

function packageVersion(): string {
  // The same distance from bin/ and from dist/.
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
