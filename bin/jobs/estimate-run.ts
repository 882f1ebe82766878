import { readFile } from "node:fs/promises";
import path from "node:path";
import { defaultBundle } from "../../layers/model/find-bundle.js";
import { selectItems } from "../../layers/pipeline/selection.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { openSource } from "../addresses/source.js";
import { type Estimate, type EstimateRequest, estimate } from "../cloud/estimate.js";
import { type MeasuredImages, measureImages, Sample } from "../cloud/measure-images.js";
import { openCloud } from "../cloud/open-cloud.js";
import { readPrices } from "../cloud/prices.js";
import { choosePipeline } from "../cloud/stack.js";
import type { CloudCommandOptions } from "../commands/cloud-options.js";
import { type ExitCode, exitCodes } from "../terminal/exit.js";
import { byteSize, count, duration, type Io, jsonLine, plural, printable } from "../terminal/io.js";
import { noProgress, openProgress } from "../terminal/progress.js";

export interface EstimateOptions extends CloudCommandOptions {
  readonly images?: number;
  readonly megapixels?: number;
  readonly pipeline?: string;
  readonly model?: string;
  readonly compute?: string;
  readonly machine?: string;
  readonly machines: number;
  readonly spot?: true;
  readonly rate?: number;
  readonly prices?: string;
  readonly table?: true;
}

/** Images whose size in pixels is measured. */
const sampleSize = 64;

interface Counted {
  readonly images: number;
  readonly bytes?: number;
  readonly measured?: MeasuredImages;
  readonly megapixels: number;
}

export async function estimateRun(io: Io, source: string | undefined, options: EstimateOptions): Promise<ExitCode> {
  const overrides = options.prices === undefined ? undefined : await readText(options.prices, io.cwd);
  const prices = readPrices(overrides, options.prices);
  if (options.table) {
    io.print(JSON.stringify(prices, undefined, 2));
    return exitCodes.done;
  }
  if ((source === undefined) === (options.images === undefined)) {
    throw new ClustsegError(
      "USAGE",
      source === undefined ? "no source was given" : "a source and --images were given",
      {
        hint: "Give a folder, a list or s3://bucket/prefix/; or --images and --megapixels.",
      },
    );
  }
  if (options.images !== undefined && options.megapixels === undefined) {
    throw new ClustsegError("USAGE", "--images was given without --megapixels", {
      hint: "Say how large an image is: --megapixels 12 for photos of a telephone.",
    });
  }
  const settings = await settingsOf(options, io.cwd);
  const counted =
    source === undefined
      ? { images: options.images!, megapixels: options.megapixels! }
      : await countSource(io, source, options);
  const request: EstimateRequest = {
    images: counted.images,
    megapixels: counted.megapixels,
    ...settings,
    machines: options.machines,
    spot: options.spot ?? false,
    ...(options.machine === undefined ? {} : { machine: options.machine }),
    ...(options.rate === undefined ? {} : { ownRate: options.rate }),
  };
  const made = estimate(prices, request);
  if (options.json) {
    const { bytes, measured } = counted as Counted;
    const about = {
      ...(bytes === undefined ? {} : { bytes }),
      ...(measured === undefined ? {} : { sample: measured }),
    };
    io.print(jsonLine({ ...made, ...about }));
  } else for (const line of estimateLines(made, counted)) io.print(printable(line));
  return exitCodes.done;
}

/** The stack's, unless --compute says that none is meant. */
async function settingsOf(
  options: EstimateOptions,
  cwd: string,
): Promise<Pick<EstimateRequest, "model" | "formats" | "compute">> {
  if (options.compute !== undefined) {
    return { compute: options.compute, model: options.model ?? defaultBundle, formats: 0 };
  }
  const { stack } = await openCloud(options, cwd);
  const { pipeline } = choosePipeline(stack.pipelines, options);
  return { compute: stack.computeKind, model: pipeline.model.name, formats: pipeline.formats.length };
}

async function countSource(io: Io, given: string, options: EstimateOptions): Promise<Counted> {
  const source = await openSource([given], { cwd: io.cwd, out: path.join(io.cwd, ".clustseg-estimate") });
  const { items } = await selectItems(source.uploads, source.intake);
  const progress = options.json ? noProgress(io) : openProgress(io);
  const sample = new Sample<string>(sampleSize);
  let images = 0;
  let bytes = 0;
  try {
    for await (const { key, size } of items) {
      images++;
      bytes += size;
      sample.add(key);
      if (images % 1000 === 0) progress.show({ type: "listing", items: images });
    }
  } finally {
    progress.end();
  }
  if (images === 0) {
    throw new ClustsegError("SOURCE_EMPTY", `there is no image in ${given}`, { hint: "Check the path." });
  }
  if (options.megapixels !== undefined) return { images, bytes, megapixels: options.megapixels };
  const measured = await measureImages(source.uploads, sample.kept);
  if (measured.looked === 0) {
    throw new ClustsegError("IMAGE_UNSUPPORTED", `the size of no image in ${given} could be read`, {
      hint: "Say how large they are with --megapixels.",
    });
  }
  return { images, bytes, measured, megapixels: measured.megapixels };
}

async function readText(file: string, cwd: string): Promise<string> {
  return readFile(path.resolve(cwd, file), "utf8").catch((cause: unknown) => {
    throw new ClustsegError("CONFIG_INVALID", `${file} cannot be read`, {
      hint: "--prices wants a JSON file; `clustseg estimate --table` prints what can stand in it.",
      cause,
    });
  });
}

export function estimateLines(made: Estimate, counted: Counted): string[] {
  const { rate, seconds, dollars, prices } = made;
  const { bytes, measured, megapixels } = counted;
  const size = bytes === undefined ? "" : `, ${byteSize(bytes)}`;
  const from =
    measured === undefined
      ? "as given"
      : `${megapixels.toFixed(2)} an image, ± ${measured.error.toFixed(2)}, from ${plural(measured.looked, "header")}`;
  const machines = made.machines === 1 ? made.machine : `${count(made.machines)} x ${made.machine}`;
  const kind = made.spot ? "Spot" : "On-Demand";
  const rows: [string, string][] = [
    ["images", `${count(made.images)}${size}`],
    [
      "megapixels",
      `${made.megapixels < 100 ? made.megapixels.toFixed(1) : count(Math.round(made.megapixels))} (${from})`,
    ],
    ["machines", `${machines}, ${kind}`],
    ["rate", `${made.images_per_second.toPrecision(3)} images a second and machine, ${rate.basis}: ${rate.how}`],
    ["time", `${duration(seconds.wall)}, of which ${duration(seconds.startup)} until the first machine works`],
    ["dollars", `${money(dollars.total)}: ${partsText(dollars)}`],
    ["", `${money(dollars.per_1000_images)} per 1,000 images; storage and transfer out of AWS are not in it`],
    ["prices", `${prices.region}, ${prices.as_of}; requests an image are ${prices.use}. --prices overrides`],
  ];
  return rows.map(([name, text]) => `${name.padEnd(10)}  ${text}`);
}

function partsText({ machines, requests, functions, logs }: Estimate["dollars"]): string {
  return `machines ${money(machines)}, S3 requests ${money(requests)}, functions and state machine ${money(functions)}, logs ${money(logs)}`;
}

/** "$1,234", "$12.30", "$0.0042": two digits that count, at least. */
export function money(dollars: number): string {
  if (dollars >= 1000) return `$${count(Math.round(dollars))}`;
  if (dollars >= 0.1) return `$${dollars.toFixed(2)}`;
  return dollars === 0 ? "$0" : `$${Number(dollars.toPrecision(2))}`;
}
