// Builds the segment worker's image and says how large it is and how fast it starts.
//   node scripts/build-image.mjs [--variant cpu|cuda] [--tag NAME] [--context DIR] [--model DIR]... [--cuda-major 12]
//                                [--cuda-provider DIR] [--json]
// Without --context the context is made anew, with the bundles named by --model (or all below models/), in out/container.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "./esbuild-options.mjs";
import { buildSegmentImage, cacheFolder, findBuilder, timeRuns, unpackedSize } from "./image-builder.mjs";
import { writeSegmentContext } from "./segment-context.mjs";

const { values } = parseArgs({
  options: {
    variant: { type: "string", default: "cpu" },
    tag: { type: "string" },
    context: { type: "string" },
    model: { type: "string", multiple: true },
    "cuda-major": { type: "string", default: "12" },
    "cuda-provider": { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const { variant, tag = `clustseg-segment:${variant}`, json } = values;

const shipped = readdirSync(join(root, "models"))
  .map((name) => join(root, "models", name))
  .filter((folder) => existsSync(join(folder, "model.json")));
const context = values.context ?? join(cacheFolder, "context");
if (values.context === undefined) {
  const provider = values["cuda-provider"];
  await writeSegmentContext(context, values.model ?? shipped, provider === undefined ? {} : { cudaProvider: provider });
}
const builder = findBuilder();
const began = performance.now();
buildSegmentImage({ builder, context, tag, variant, cudaMajor: values["cuda-major"], quiet: json });
const buildSeconds = (performance.now() - began) / 1000;

const { all, models } = unpackedSize(builder, tag);
const help = timeRuns(builder, tag, ["segment", "--help"], 3);
const figures = {
  tag,
  builder,
  variant,
  build_s: round(buildSeconds, 1),
  unpacked_mb: round(all - models, 1),
  bundles_mb: round(models, 1),
  start_s: help.seconds.map((seconds) => round(seconds, 2)),
};
if (json) console.log(JSON.stringify(figures));
else {
  console.log(`${tag}, built by ${builder} in ${figures.build_s} s`);
  console.log(`unpacked: ${figures.unpacked_mb} MB, and ${figures.bundles_mb} MB of bundles`);
  console.log(`start to end of "segment --help": ${figures.start_s.join(", ")} s`);
}

function round(value, digits) {
  return Number(value.toFixed(digits));
}
