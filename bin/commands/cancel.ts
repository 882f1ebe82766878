import type { Command } from "commander";
import type { CancelOptions } from "../jobs/cancel-run.js";
import type { ExitCode } from "../terminal/exit.js";
import type { Io } from "../terminal/io.js";
import { addCloudOptions, stackHelp } from "./cloud-options.js";

const help = `
Marks the run as stopped: nothing more is begun, jobs that wait for a machine are taken back, what is in hand is finished and
published, and the run ends with a report. With --now the state machine and its jobs are stopped at once; what was
segmented and not published stays in staging. In both cases \`clustseg redrive <run>\` goes on where it was, for 14 days.
${stackHelp}
Examples:
  clustseg cancel s-mffz9k1c-0q4t
  clustseg cancel s-mffz9k1c-0q4t --now
`;

/** `clustseg cancel <run>` */
export function addCancelCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  const command = program
    .command("cancel")
    .description("stop a run in the cloud; redrive goes on with it")
    .argument("<run>", "a run's id")
    .option("--now", "do not wait for what is in hand");
  addCloudOptions(command, "print one JSON object on stdout")
    .addHelpText("after", help)
    .action(async (run: string, _: unknown, self: Command) => {
      const { cancelRun } = await import("../jobs/cancel-run.js");
      done(await cancelRun(io, run, self.optsWithGlobals<CancelOptions>()));
    });
}
