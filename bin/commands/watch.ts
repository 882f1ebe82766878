import type { Command } from "commander";
import type { WatchOptions } from "../jobs/watch-images.js";
import type { ExitCode } from "../terminal/exit.js";
import type { Io } from "../terminal/io.js";
import { addOutputOptions, addWorkOptions, outOption, seconds } from "./options.js";

const help = `
The upload trigger on one machine: what lies in the folder is segmented, then what is written into it, new or changed,
by the intake that S3's events go through in the cloud. A file is taken when it is whole: when neither its size nor its
time of change has moved for --settle seconds. Results are those of \`clustseg segment <folder>\`, and what has a current
one is skipped. Tasks, options and formats are explained by \`clustseg segment --help\`.

Ends at Ctrl-C (SIGINT or SIGTERM), and when nobody reads its output any more, after the images in flight: with 0, or with
1 if images were rejected.

--json prints one JSON object a line: {"type":"watching",…}, {"type":"item",…} for each image, {"type":"report",…} for
each batch of them.

Examples:
  clustseg watch inbox --out masks
  clustseg watch /mnt/share/inbox --poll --settle 10 --overlay
  clustseg watch slides --model ./my-bundle --task instance --threshold 0.6
`;

/** `clustseg watch <folder>` */
export function addWatchCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  const command = program
    .command("watch")
    .description("segment images as they land in a folder")
    .argument("<folder>", "the folder; folders in it are watched, too")
    .addOption(outOption("where the results go: a folder, or s3://bucket/prefix/", "./masks"))
    .option("--settle <seconds>", "a file is whole when it has not changed for so long", seconds, 2)
    .option("--poll", "look for changes every 0.1 s: for network drives, which do not tell of them");
  addWorkOptions(command);
  addOutputOptions(command, "print JSON lines on stdout")
    .addHelpText("after", help)
    .action(async (folder: string, _: unknown, self: Command) => {
      const { watchImages } = await import("../jobs/watch-images.js");
      done(await watchImages(io, folder, self.optsWithGlobals<WatchOptions>()));
    });
}
