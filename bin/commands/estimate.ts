import { type Command, InvalidArgumentError } from "commander";
import type { EstimateOptions } from "../jobs/estimate-run.js";
import type { ExitCode } from "../terminal/exit.js";
import type { Io } from "../terminal/io.js";
import { addCloudOptions, stackHelp } from "./cloud-options.js";
import { wholeNumber } from "./options.js";

const help = `
Counts the images of a source, measures the size in pixels of some of them, and works out time and dollars from a table of
prices and rates, which says of each rate whether it was measured or assumed, and where. The table is dated and of one
region: --prices takes a JSON file with what is different for you, such as
  {"machines": {"g6.xlarge": {"on_demand_hour": 0.80, "spot_hour": 0.35}}, "puts_per_1000": 0.0054}
and \`clustseg estimate --table\` prints the whole of it. Without a stack give --compute, --model and --formats.
${stackHelp}
Examples:
  clustseg estimate photos
  clustseg estimate s3://my-uploads/2026/ --machine g6.xlarge --machines 8 --spot
  clustseg estimate --images 1000000 --megapixels 2 --compute gpu
  clustseg estimate photos --rate 180 --prices ours.json --json
`;

/** `clustseg estimate [source]` */
export function addEstimateCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  const command = program
    .command("estimate")
    .description("tell what a job in the cloud takes: images, pixels, seconds, dollars")
    .argument("[source]", "a folder, a file, a list, or s3://bucket/prefix/")
    .option("--images <n>", "so many images instead of a source", wholeNumber(1))
    .option("--megapixels <n>", "megapixels of an image (default: measured on the source)", positive)
    .option("--pipeline <name>", "the pipeline of the stack")
    .option("--model <name>", "the model")
    .option("--compute <kind>", "gpu, cpu or fargate (default: the stack's)")
    .option("--machine <type>", "the machine, by the table's names (default: the first of its kind)")
    .option("--machines <n>", "so many machines at once", wholeNumber(1, 100_000), 1)
    .option("--spot", "Spot prices")
    .option("--rate <n>", "megapixels a second of one machine, as you have measured it", positive)
    .option("--prices <file>", "a JSON file that overrides parts of the table")
    .option("--table", "print the table of prices and rates as JSON");
  addCloudOptions(command, "print one JSON document on stdout")
    .addHelpText("after", help)
    .action(async (source: string | undefined, _: unknown, self: Command) => {
      const { estimateRun } = await import("../jobs/estimate-run.js");
      done(await estimateRun(io, source, self.optsWithGlobals<EstimateOptions>()));
    });
}

function positive(text: string): number {
  const value = Number(text);
  if (/^\d*\.?\d+$/.test(text) && value > 0) return value;
  throw new InvalidArgumentError("Expected a number above 0.");
}
