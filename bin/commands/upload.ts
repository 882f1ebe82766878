import type { Command } from "commander";
import type { UploadOptions } from "../jobs/upload-folder.js";
import type { ExitCode } from "../terminal/exit.js";
import type { Io } from "../terminal/io.js";
import { addCloudOptions, stackHelp } from "./cloud-options.js";
import { wholeNumber } from "./options.js";

const help = `
Images are recognised by their extension. What the bucket has already, byte for byte (size and ETag agree), is not sent
again: the same command goes on where it was stopped, in the middle of a large file, too. Each image that lands is
segmented by every pipeline of the stack; \`clustseg status\` shows the runs.
${stackHelp}
Examples:
  clustseg upload photos
  clustseg upload photos --prefix 2026/november/ --concurrency 32
`;

/** `clustseg upload <folder>` */
export function addUploadCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  const command = program
    .command("upload")
    .description("send the images of a folder to the uploads bucket, which starts their segmentation")
    .argument("<folder>", "the folder; folders in it are sent, too")
    .option("--prefix <prefix>", "put them below this in the bucket", "")
    .option("--concurrency <n>", "files sent at once", wholeNumber(1, 256), 16)
    .option("--force", "send also what is there as it is: it is segmented anew if its settings have changed");
  addCloudOptions(command, "print one JSON object on stdout, and no progress")
    .addHelpText("after", help)
    .action(async (folder: string, _: unknown, self: Command) => {
      const { uploadFolder } = await import("../jobs/upload-folder.js");
      done(await uploadFolder(io, folder, self.optsWithGlobals<UploadOptions>()));
    });
}
