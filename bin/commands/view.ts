import { type Command, InvalidArgumentError, Option } from "commander";
import { ClustsegError } from "../../layers/segments/errors.js";
import type { ViewOptions } from "../jobs/view-results.js";
import type { ExitCode } from "../terminal/exit.js";
import type { Io } from "../terminal/io.js";
import { addOutputOptions, wholeNumber } from "./options.js";

const help = `
The page shows all images in a gallery, and one image with its masks: fill, outlines, numbers, class names; what a segment
is when it is pointed at; filters by class and score; two runs side by side; and, for results with --formats steps, how
the clusters converge. It loads nothing from elsewhere. The key ? tells all keys.

It is served to this machine only (127.0.0.1). The images are shown where they still are what was segmented; else overlay or
mean colours, if the results have them, or the masks alone.

--write puts the page into the results (viewer/index.html) instead, for a bucket or any web server of static files. Write it
again when results have come. With --images the page shows the images themselves.

Examples:
  clustseg view masks
  clustseg view masks-300 masks-1000
  clustseg view s3://bucket/masks/
  clustseg view masks --write --images ../../photos/
`;

/** `clustseg view <results> [other]` */
export function addViewCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  const command = program
    .command("view")
    .description("look at results in the browser")
    .argument("<results>", "what `segment --out` was given: a folder, or s3://bucket/prefix/")
    .argument("[other]", "results of the same images, to look at both side by side")
    .addOption(new Option("--port <n>", "where it is served (default: a free port)").argParser(wholeNumber(0, 65_535)))
    .addOption(new Option("--write", "write the page into the results, and serve nothing").conflicts("port"))
    .addOption(
      new Option("--images <path>", "where the images lie, seen from the written page").argParser(relativeAddress),
    );
  addOutputOptions(command, "print one JSON line on stdout: what is served or written")
    .addHelpText("after", help)
    .action(async (results: string, other: string | undefined, _: unknown, self: Command) => {
      const options = self.optsWithGlobals<ViewOptions>();
      if (options.images !== undefined && !options.write) {
        throw new ClustsegError("USAGE", "--images is for --write", {
          hint: "Leave it out: what is served finds the images by what the results say of them.",
        });
      }
      const { viewResults } = await import("../jobs/view-results.js");
      done(await viewResults(io, other === undefined ? [results] : [results, other], options));
    });
}

/** The page reads from its own place only, so an address of another one would be of no use. */
function relativeAddress(text: string): string {
  const base = "http://page.invalid/viewer/";
  if (text !== "" && URL.canParse(text, base) && new URL(text, base).host === "page.invalid") return text;
  throw new InvalidArgumentError("Expected a path as the page sees it, such as ../../photos/.");
}
