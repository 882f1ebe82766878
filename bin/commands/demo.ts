import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import type { Command } from "commander";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import { examplesFolder } from "../addresses/examples.js";
import { below, checkFolder, openStore } from "../addresses/stores.js";
import type { SegmentImagesOptions } from "../jobs/segment-images.js";
import type { ExitCode } from "../terminal/exit.js";
import { type Io, plural, printable, silenced } from "../terminal/io.js";
import { addOutputOptions, outOption, superpixelsOption } from "./options.js";

const help = `
The example images are uploaded to a local bucket, which is a folder, and go through the stages that run in the cloud as
well: intake, plan, segment, publish, summarize. Results are masks, overlays and mean colour pictures.

Examples:
  clustseg demo
  clustseg demo --superpixels 1000 --force
`;

/** `clustseg demo`, which is `npm start` */
export function addDemoCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  const command = program
    .command("demo")
    .description("segment the example images: the whole of it in a few seconds")
    .addOption(outOption("where bucket and results go", "./out/demo"))
    .addOption(superpixelsOption())
    .option("--force", "segment again what has a current result");
  addOutputOptions(command, "print JSON lines on stdout, as `segment` does")
    .addHelpText("after", help)
    .action(async (_: unknown, self: Command) => {
      const asked =
        self.optsWithGlobals<Pick<SegmentImagesOptions, "out" | "superpixels" | "force" | "json" | "quiet">>();
      done(await demo(io, asked));
    });
}

async function demo(
  io: Io,
  asked: Pick<SegmentImagesOptions, "out" | "superpixels" | "force" | "json" | "quiet">,
): Promise<ExitCode> {
  const talk = asked.quiet || asked.json ? silenced(io) : io;
  await checkFolder(asked.out, io.cwd);
  const uploads = await openStore(below(asked.out, "uploads"), io.cwd);
  const names = await upload(uploads);
  talk.print(`${plural(names.length, "example image")} in the local bucket ${printable(below(asked.out, "uploads"))}`);

  const out = below(asked.out, "results");
  const source = { uploads, intake: { kind: "prefix", prefix: "" }, problems: [] } as const;
  const options = { ...asked, out, task: "superpixel", formats: ["mean", "overlay"], provider: "cpu" } as const;
  const { segmentImages } = await import("../jobs/segment-images.js");
  return segmentImages(io, source, options, () => [
    "",
    `masks     ${printable(below(out, "<image>/segments.png"))}, metadata.json beside it`,
    `overlays  ${printable(below(out, "<image>/overlay.png"))}: begin with ${printable(below(out, `${names[0]}/overlay.png`))}`,
    `means     ${printable(below(out, "<image>/mean.png"))}`,
    `report    ${printable(below(out, "report.json"))}`,
    "",
    "Your own images: npx clustseg segment <folder> --overlay",
  ]);
}

/** Put the examples into the bucket, those that are not there as they are: an image that is written again counts as new. */
async function upload(uploads: ObjectStore): Promise<string[]> {
  const folder = examplesFolder();
  const names = (await readdir(folder)).sort();
  for (const name of names) {
    const bytes = await readFile(path.join(folder, name));
    const there = await uploads.head(name);
    const same = there?.size === bytes.length && bytes.equals((await uploads.get(name)).body);
    if (!same) await uploads.put(name, bytes);
  }
  return names;
}
