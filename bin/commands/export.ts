import { type Command, Option } from "commander";
import type { ExportJobOptions } from "../jobs/export-results.js";
import type { ExitCode } from "../terminal/exit.js";
import type { Io } from "../terminal/io.js";
import { addOutputOptions, outOption, wholeNumber } from "./options.js";

/** The formats, and what each writes below --out; jobs/export-results.ts has them from the pipeline, which has the same names. */
const formats = {
  coco: "instances.json: COCO instances, masks as RLE",
  "coco-polygons": "instances.json with polygons; holes are joined to the outline by cuts",
  "coco-panoptic": "panoptic.json, and panoptic/<image>.png",
  yolo: "labels/<name>.txt, data.yaml, and images/<image> with --images",
  voc: "SegmentationClass/, SegmentationObject/, ImageSets/, labelmap.txt, and JPEGImages/ with --images",
  geojson: "<image>.geojson: exact outlines with holes, in pixels",
  csv: "segments.csv: a row for each segment of each image",
  cvat: "annotations.xml (CVAT for images 1.1, masks), and labels.json for the task",
  "label-studio": "tasks.json (predictions, polygons), and labeling-config.xml for the project",
  cutouts: "<image>/0012-<class>.png: each object cut out, RGBA; needs --images",
} as const;

const names = Object.keys(formats);
const widest = Math.max(...names.map((name) => name.length));

const help = `
Formats, and the files below --out:
${Object.entries(formats)
  .map(([name, text]) => `  ${name.padEnd(widest)}  ${text}`)
  .join("\n")}
docs/formats.md tells who reads each, and what is lost.

Images are called what their results are called: the path below <results>. They are numbered in the order of their names,
so that the same results give the same numbers; an image that is added moves those behind it. The results must be of one
model and task: --task and --model choose among several. An image without metadata.json is not finished and is passed over;
a damaged result is reported and left out. Masks are those of the upright image, EXIF's orientation applied.

--json prints one JSON object: {"type":"export",…}; {"type":"error",…} when it failed.

Examples:
  clustseg export masks --format coco --out dataset
  clustseg export masks --format yolo --out dataset --images photos
  clustseg export s3://bucket/masks/ --task panoptic --format coco-panoptic --out s3://bucket/dataset/
  clustseg export masks --format cutouts --images photos --max-cutouts 20 --out cutouts
`;

/** `clustseg export <results>` */
export function addExportCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  const command = program
    .command("export")
    .description("write the results of many images as one data set that other tools read")
    .argument("<results>", "what `clustseg segment --out` wrote: a folder, or s3://bucket/prefix/")
    .addOption(new Option("--format <name>", "the format of the data set").choices(names).makeOptionMandatory())
    .addOption(outOption("where the data set goes: a folder, or s3://bucket/prefix/", "./export"))
    .option("--images <dir>", "the images that were segmented: a folder, or s3://bucket/prefix/")
    .option("--task <name>", "only results of this task")
    .option("--model <name>", "only results of this model: name, or name@version")
    .option("--max-cutouts <n>", "cutouts: the largest so many of an image (default: 100)", wholeNumber(1))
    .option("--image-url <prefix>", "label-studio: what stands before an image's name (default: local storage's)");
  addOutputOptions(command, "print one JSON object on stdout, and no progress")
    .addHelpText("after", help)
    .action(async (results: string, _: unknown, self: Command) => {
      const { exportToDataset } = await import("../jobs/export-results.js");
      done(await exportToDataset(io, results, self.optsWithGlobals<ExportJobOptions>()));
    });
}
