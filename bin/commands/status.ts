import type { Command } from "commander";
import type { StatusOptions } from "../jobs/show-status.js";
import type { ExitCode } from "../terminal/exit.js";
import type { Io } from "../terminal/io.js";
import { addCloudOptions, stackHelp } from "./cloud-options.js";
import { seconds, wholeNumber } from "./options.js";

const help = `
Without a run: the last runs, newest first. With one: how far it has come, why it failed, and what can be done. --watch
stays until the run has ended (without a run: the one that is at work, or the next that begins) and ends as it does: 0, 1 when
images were rejected, 3 when it failed or was stopped. Ctrl-C ends the watching and not the run.
${stackHelp}
Examples:
  clustseg status
  clustseg status s-mffz9k1c-0q4t --watch
  clustseg status --json | jq -r '.runs[] | select(.state == "failed") | .run_id'
`;

/** `clustseg status [run]` */
export function addStatusCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  const command = program
    .command("status")
    .description("tell how runs in the cloud stand")
    .argument("[run]", "a run's id")
    .option("--watch", "stay until it has ended")
    .option("--every <seconds>", "with --watch: how often to look", seconds, 3)
    .option("--last <n>", "how many runs to list", wholeNumber(1, 1000), 10);
  addCloudOptions(command, "print one JSON document on stdout; with --watch one JSON object a line")
    .addHelpText("after", help)
    .action(async (run: string | undefined, _: unknown, self: Command) => {
      const { showStatus } = await import("../jobs/show-status.js");
      done(await showStatus(io, run, self.optsWithGlobals<StatusOptions>()));
    });
}
