import { type Command, Option } from "commander";
import type { SubmitOptions } from "../jobs/submit-run.js";
import type { ExitCode } from "../terminal/exit.js";
import type { Io } from "../terminal/io.js";
import { addCloudOptions, stackHelp } from "./cloud-options.js";
import { addTaskOptions } from "./options.js";

const help = `
Sources, all in the stack's uploads bucket:
  s3://bucket/prefix/               all images below a prefix, or one image by its key
  s3://bucket/inventory/…/manifest.json   an S3 inventory (CSV): for very many images, as nothing has to be listed
  list.txt, s3://bucket/list.txt    a list: a key or an s3:// address a line; a list on this machine is sent along
Uploads start by themselves: submit is for what lies in the bucket already, or is to be segmented again.

A stack with several pipelines wants --pipeline, or a --model or --task that only one of them has. Formats and parameters
are the pipeline's unless they are given. Results lie below the pipeline's name in the results bucket, whatever was given,
and what has a current result (same image, model and settings) is skipped. All options are explained by
\`clustseg segment --help\`.
${stackHelp}
Examples:
  clustseg submit s3://my-uploads/2026/
  clustseg submit list.txt --pipeline cells --formats overlay,coco --wait
  clustseg submit s3://my-uploads/inventory/2026-11-20T01-00Z/manifest.json --json
`;

/** `clustseg submit <source>` */
export function addSubmitCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  const command = program
    .command("submit")
    .description("segment what lies in the uploads bucket: a prefix, a list, an inventory")
    .argument("<source>", "s3://bucket/prefix/, an inventory's manifest.json, or a list")
    .option("--pipeline <name>", "the pipeline of the stack (default: the only one)")
    .option("--model <name>", "the pipeline that runs this model")
    .option("--task <name>", "the pipeline of this task, or another task of the chosen pipeline's model");
  addTaskOptions(command)
    .option("--force", "segment again what has a current result")
    .addOption(new Option("--wait", "watch the run until it ends, and end as it does"));
  addCloudOptions(command, "print one JSON object on stdout, with --wait one for each look at it")
    .addHelpText("after", help)
    .action(async (source: string, _: unknown, self: Command) => {
      const { submitRun } = await import("../jobs/submit-run.js");
      done(await submitRun(io, source, self.optsWithGlobals<SubmitOptions>()));
    });
}
