import { type Command, Option } from "commander";
import type { RedriveOptions } from "../jobs/redrive-run.js";
import type { ExitCode } from "../terminal/exit.js";
import type { Io } from "../terminal/io.js";
import { addCloudOptions, stackHelp } from "./cloud-options.js";

const help = `
Only what failed is done again:
  a run that was cancelled, or that failed    goes on where it was, as the same run: what has an outcome is left alone
  a run that has ended with rejected images   a new run of those whose rejection may pass (an object that changed meanwhile,
                                              a store that did not answer); --all takes the other rejected ones, too
  --messages                                  upload events that could not be handled, from the dead-letter queue back to intake
${stackHelp}
Examples:
  clustseg redrive s-mffz9k1c-0q4t
  clustseg redrive s-mffz9k1c-0q4t --all
  clustseg redrive --messages
`;

/** `clustseg redrive [run]` */
export function addRedriveCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  const command = program
    .command("redrive")
    .description("do again what failed in the cloud, and nothing else")
    .argument("[run]", "a run's id")
    .option("--all", "all rejected images, not only those that may pass now")
    .addOption(new Option("--messages", "the dead-letter queue instead of a run").conflicts("all"));
  addCloudOptions(command, "print one JSON object on stdout")
    .addHelpText("after", help)
    .action(async (run: string | undefined, _: unknown, self: Command) => {
      const { redrive } = await import("../jobs/redrive-run.js");
      done(await redrive(io, run, self.optsWithGlobals<RedriveOptions>()));
    });
}
