import { type Command, Option } from "commander";
import type { RunReport } from "../../layers/pipeline/contracts.js";
import { below } from "../addresses/stores.js";
import type { SegmentImagesOptions } from "../jobs/segment-images.js";
import type { ExitCode } from "../terminal/exit.js";
import { type Io, printable } from "../terminal/io.js";
import { addOutputOptions, addWorkOptions, extraFormats, failureBudget, outOption } from "./options.js";

const help = `
Sources:
  photos/                    all images below a folder, recognised by their extension (jpg, png, webp, gif, tif, avif)
  a.jpg b.png                files, tried whatever they are called
  'photos/**/*.jpg'          a glob (in quotes, or the shell expands it), searched for images like a folder
  list.txt                   a list: one path a line, relative to the list
  s3://bucket/prefix/        all images below a prefix, or s3://bucket/key for one (credentials as the AWS SDK finds them)
Several may be given, except s3://.

Results, for the image a/b.jpg:
  <out>/a/b.jpg/segments.png   ids of the segments, grey, 8 or 16 bit: 1 to n, 0 = none; the size of the upright image
  <out>/a/b.jpg/metadata.json  source, frame, model, parameters, and class, score, area, box and colour of each segment
  <out>/a/b.jpg/…              the files of the formats asked for with --formats, see below
  <out>/report.json            what the run came to; <out>/reports/ has it for each run, with the outcome of each image
Paths are those below the folder given; for a list, below the list's own folder, or, if it names files elsewhere, below
the deepest folder that holds them all; for a glob, below its part before the first wildcard; for files, and for several
sources at once, below the deepest folder that holds them all.

Tasks (\`clustseg models\` tells which a model does, \`clustseg models <name>\` its defaults), and the options that each has:
  superpixel  many small segments without a class: --superpixels
  semantic    one segment for each class that is there: --mask-threshold, --min-area
  instance    one segment for each thing, which is what can be counted: --threshold, --overlap-threshold, and as semantic
  panoptic    things one by one, all else by classes: as instance
Each pixel has one winner among the clusters of its image, and masks never overlap, so that the thresholds mean:
  --threshold          things whose score (the calibrated probability that there is such a thing) is below are left out
                       before pixels are given away: theirs go to whoever comes next
  --mask-threshold     pixels whose winner is less probable than this have no segment; with 0, every pixel has one
  --overlap-threshold  a thing that keeps less than this part of the pixels it won, once its specks are taken away, is
                       dropped; with 0, none is
  --min-area           connected pieces with fewer pixels, of the size that the model works at, go to the neighbour with
                       the longest border; a thing or a class without a larger piece is no segment

Formats:
  overlay, overlay-jpg  overlay.png, overlay.jpg: the image with its segments drawn on it
  mean                  mean.png: each segment in its mean colour
  palette               palette.png: each segment in one of VOC's 255 colours; a drawing, the ids are in segments.png
  voc                   classes.png: the class of each pixel, as PASCAL VOC's masks have it
  csv                   segments.csv: class, score, area, box, centroid and colour of each segment
  coco, coco-polygons   segments.coco.json, polygons.coco.json: COCO instances, as compressed RLE or as polygons
  coco-panoptic         panoptic.png, panoptic.json: COCO panoptic
  geojson               segments.geojson: outlines as polygons, in pixels, y downwards
  yolo                  segments.yolo.txt: YOLO's segmentation labels
  steps                 steps.png, steps.json: the clusters converging, E-step by E-step, where the model gives them

A command that was stopped or killed goes on where it was when it is given again, and what has a current result (same
image, model and settings, and segments.png is there) is skipped. It stops after the images in flight at Ctrl-C (SIGINT,
SIGTERM), and when nobody reads its output any more (as with | head), with exit code 3; at once at a second signal.

--json prints one JSON object a line: {"type":"item",…} for each image worked on, then {"type":"report",…};
{"type":"error",…} when it failed.

Examples:
  clustseg segment photos --overlay                                           superpixels of anything
  clustseg segment cells --model clustseg-nuclei --out found                  cells: every nucleus by itself
  clustseg segment drives --model clustseg-street --out streets               the classes of streets
  clustseg segment photos --model clustseg-photo --overlay --out things       people, cats, dogs, horses, cows, sheep
  clustseg segment photos --superpixels 600 --formats overlay,csv --out masks
  clustseg segment 'photos/2024-*/*.jpg' --max-failures 5%
  clustseg segment cells --model ./my-bundle --task instance --threshold 0.6 --formats overlay,coco
  clustseg segment s3://bucket/photos/ --out s3://bucket/masks/
  clustseg segment photos --json | jq -c 'select(.status == "rejected")'
`;

export interface SegmentOptions extends SegmentImagesOptions {
  readonly maxFailures?: SegmentImagesOptions["failureBudget"];
}

/** `clustseg segment <source...>` */
export function addSegmentCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  const command = program
    .command("segment")
    .description("segment images: a mask and metadata for each")
    .argument("<source...>", "files, folders, globs, lists, or one s3:// address")
    .addOption(outOption("where the results go: a folder, or s3://bucket/prefix/", "./masks"));
  addWorkOptions(command)
    .option("--resume", "skip what has a current result, go on with what was begun (this is what happens anyway)")
    .addOption(new Option("--force", "segment again what has a current result").conflicts("resume"))
    .option(
      "--max-failures <n|n%>",
      "stop when more images than that are rejected; a part counts from the 20th image on (default: never)",
      failureBudget,
    );
  addOutputOptions(command, "print JSON lines on stdout, and no progress")
    .addHelpText("after", help)
    .action(async (given: string[], own: SegmentOptions, self: Command) => {
      const { maxFailures, ...rest } = self.optsWithGlobals<SegmentOptions>();
      const options = maxFailures === undefined ? rest : { ...rest, failureBudget: maxFailures };
      const { openSource } = await import("../addresses/source.js");
      const source = await openSource(given, { cwd: io.cwd, out: own.out });
      const { segmentImages } = await import("../jobs/segment-images.js");
      done(await segmentImages(io, source, options, ({ report }) => whereLines(own, report.items)));
    });
}

function whereLines(options: SegmentOptions, { segmented, skipped }: RunReport["items"]): string[] {
  const { out } = options;
  const formats = extraFormats(options);
  const at = (file: string) => printable(below(out, file));
  const masks: [string, string][] = [
    ["masks", `${at("<image>/segments.png")}, metadata.json beside it`],
    ...(formats.includes("overlay") ? [["overlays", at("<image>/overlay.png")] as [string, string]] : []),
    ...(formats.includes("overlay-jpg") ? [["overlays", at("<image>/overlay.jpg")] as [string, string]] : []),
  ];
  const lines: [string, string][] = [...(segmented + skipped > 0 ? masks : []), ["report", at("report.json")]];
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, text]) => `${name.padEnd(width)}  ${text}`);
}
