import type { Command } from "commander";
import type { LogsOptions } from "../jobs/show-logs.js";
import type { ExitCode } from "../terminal/exit.js";
import type { Io } from "../terminal/io.js";
import { addCloudOptions, stackHelp } from "./cloud-options.js";

const help = `
What the functions and the container have written of a run, in the order of time: when, who, how bad, what, and which shard
or image it was about.
${stackHelp}
Examples:
  clustseg logs s-mffz9k1c-0q4t
  clustseg logs s-mffz9k1c-0q4t --errors
  clustseg logs s-mffz9k1c-0q4t --json | jq -c 'select(.shard == "00003")'
`;

/** `clustseg logs <run>` */
export function addLogsCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  const command = program
    .command("logs")
    .description("print what was logged of a run in the cloud")
    .argument("<run>", "a run's id")
    .option("--errors", "warnings and errors only");
  addCloudOptions(command, "print one JSON object a line")
    .addHelpText("after", help)
    .action(async (run: string, _: unknown, self: Command) => {
      const { showLogs } = await import("../jobs/show-logs.js");
      done(await showLogs(io, run, self.optsWithGlobals<LogsOptions>()));
    });
}
