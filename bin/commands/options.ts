import { type Command, InvalidArgumentError, Option } from "commander";
import { maxSeeds } from "../../layers/model/grid.js";
import type { FailureBudget } from "../../layers/pipeline/failure-budget.js";

/** Parameters of tasks; each belongs to some of them only. */
export interface TaskOptions {
  readonly superpixels?: number;
  readonly threshold?: number;
  readonly maskThreshold?: number;
  readonly overlapThreshold?: number;
  readonly minArea?: number;
}

/** What the commands that segment have in common, as commander parses it. */
export interface WorkOptions extends TaskOptions {
  /** @default the model's first */
  readonly task?: string;
  readonly model?: string;
  readonly formats: readonly string[];
  readonly overlay?: true;
  readonly concurrency?: number;
  readonly threads?: number;
  readonly provider: "cpu" | "cuda";
  readonly json?: true;
  readonly quiet?: true;
}

/** Options that every command has, defined by the program. */
export interface CommonOptions {
  readonly debug?: true;
}

export function addWorkOptions(command: Command): Command {
  command
    .option("--model <name|dir>", "a model that ships, or the folder of a bundle (default: clustseg-superpixel)")
    .option("--task <name>", "superpixel, semantic, instance or panoptic (default: the model's first; see `models`)");
  return addTaskOptions(command)
    .option("--concurrency <n>", "images in work at once (default: two more than there are cores)", wholeNumber(1, 256))
    .option("--threads <n>", "threads of the model (default: all cores)", wholeNumber(1, 1024))
    .addOption(
      new Option("--provider <name>", "what the model runs on; `doctor` tells which work")
        .choices(["cpu", "cuda"])
        .default("cpu"),
    );
}

/** Parameters of tasks, and formats. */
export function addTaskOptions(command: Command): Command {
  return command
    .addOption(superpixelsOption())
    .option(
      "--threshold <p>",
      "instance, panoptic: leave things out that are less probable than this (default: the model's, see `models <name>`)",
      probability,
    )
    .option(
      "--mask-threshold <p>",
      "leave pixels without a segment whose winner is less probable than this (default: the model's)",
      probability,
    )
    .option(
      "--overlap-threshold <part>",
      "instance, panoptic: drop things that keep less of the pixels they won (default: the model's)",
      probability,
    )
    .option(
      "--min-area <pixels>",
      "give pieces with fewer pixels to their neighbours (default: the model's)",
      wholeNumber(0),
    )
    .addOption(
      new Option("--formats <list>", "files beside the masks, with commas between them; their list is below")
        .argParser(nameList)
        .default([], "segments"),
    )
    .option("--overlay", "short for --formats overlay: the image with the segments' borders drawn on it");
}

/** Labels have 16 bits, so there is a most. */
export function superpixelsOption(): Option {
  const text = "superpixel: about how many segments of an image (default: the model's, see `models <name>`)";
  return new Option("--superpixels <n>", text).argParser(wholeNumber(1, maxSeeds));
}

export function outOption(text: string, folder: string): Option {
  return new Option("--out <dir>", text).argParser(address).default(folder);
}

/** `--out "$UNSET"` must not put the results wherever the shell happens to be. */
function address(text: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidArgumentError("Expected a folder, or s3://bucket/prefix/.");
}

export function addOutputOptions(command: Command, json: string): Command {
  return command.addOption(new Option("--json", json).conflicts("quiet")).option("--quiet", "print nothing but errors");
}

/** Names without duplicates; "segments" stands for what is always made. */
export function extraFormats({ formats, overlay }: Pick<WorkOptions, "formats" | "overlay">): string[] {
  const asked = new Set(overlay ? [...formats, "overlay"] : formats);
  asked.delete("segments");
  return [...asked].sort();
}

export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
    throw new InvalidArgumentError(`Expected a whole number ${range}.`);
  };
}

function probability(text: string): number {
  const value = Number(text);
  if (/^(\d+\.?\d*|\.\d+)$/.test(text) && value <= 1) return value;
  throw new InvalidArgumentError("Expected a number from 0 to 1.");
}

export function seconds(text: string): number {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && value > 0 && value <= 3600) return value;
  throw new InvalidArgumentError("Expected seconds, above 0 and at most 3600.");
}

function nameList(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.includes("")) throw new InvalidArgumentError("Expected names with commas between them: overlay,csv.");
  return names;
}

/** "20" or "5%". */
export function failureBudget(text: string): FailureBudget {
  const match = /^(\d+)(?:\.\d+)?(%?)$/.exec(text);
  const value = Number.parseFloat(text);
  if (match === null || (match[2] === "" && text.includes(".")) || (match[2] === "%" && value > 100)) {
    throw new InvalidArgumentError("Expected a whole number, such as 20, or a part of all images, such as 5%.");
  }
  return match[2] === "%" ? { maxRatio: value / 100 } : { maxRejected: value };
}
