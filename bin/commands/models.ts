import type { Command } from "commander";
import type { BundleManifest } from "../../layers/model/bundle.js";
import type { ExitCode } from "../terminal/exit.js";
import { errorText, exitCodes } from "../terminal/exit.js";
import type { Io } from "../terminal/io.js";
import { modelLines, modelTable } from "../terminal/model-text.js";

const help = `
Without a name, all that ship, a line for each task, the first being the one that is done when --task is not given:
  ASA at K     superpixel: the part of pixels that lie in a region of one object only, with K superpixels
  mIoU         semantic: the mean over classes of intersection over union
  AP50, AP     instance: average precision at an IoU of .5, and its mean over .5 to .95, as the Data Science Bowl counts
  PQ           panoptic quality, of all classes and of things
With names, all of each: defaults of its parameters, every figure, licence and limits. --json has the commands as well that
measure the figures.

Examples:
  clustseg models
  clustseg models clustseg-nuclei
  clustseg models ./my-bundle --json
`;

/** `clustseg models [bundle...]` */
export function addModelsCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  program
    .command("models")
    .description("list the models that ship, or tell all of those given")
    .argument("[bundle...]", "names, or folders of bundles")
    .option("--json", "print one JSON document on stdout")
    .addHelpText("after", help)
    .action(async (given: string[], { json }: { json?: true }) => done(await models(io, given, json ?? false)));
}

interface Listed {
  readonly folder: string;
  readonly manifest?: BundleManifest;
  readonly error?: unknown;
}

async function models(io: Io, given: readonly string[], json: boolean): Promise<ExitCode> {
  const { shippedBundles, findBundle } = await import("../../layers/model/find-bundle.js");
  const { loadManifest } = await import("../../layers/model/bundle.js");
  const folders = given.length > 0 ? await Promise.all(given.map(findBundle)) : [...(await shippedBundles()).values()];
  const listed: Listed[] = await Promise.all(
    folders.map(async (folder) =>
      loadManifest(folder).then(
        (manifest) => ({ folder, manifest }),
        (error: unknown) => ({ folder, error }),
      ),
    ),
  );
  const good = listed.filter(({ manifest }) => manifest !== undefined);
  if (json) io.print(JSON.stringify({ models: listed }, undefined, 2));
  else if (good.length === 0) io.print("no models found");
  else if (given.length === 0) {
    io.print(modelTable(good.map(({ manifest }) => manifest!)));
    io.print("\nclustseg models <name> tells all of one.");
  } else {
    for (const [i, { manifest, folder }] of good.entries()) {
      if (i > 0) io.print("");
      for (const line of modelLines(manifest!, folder)) io.print(line);
    }
  }
  for (const { error } of listed) if (error !== undefined) io.note(errorText(error, false));
  return good.length === listed.length ? exitCodes.done : exitCodes.failed;
}
