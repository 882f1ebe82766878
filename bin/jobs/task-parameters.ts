import type { BundleManifest, Task } from "../../layers/model/bundle.js";
import { parameterNames, type SegmentParameters } from "../../layers/model/parameters.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import type { TaskOptions } from "../commands/options.js";

/** Parameters by their options. */
const parameterOf = {
  superpixels: "superpixels",
  threshold: "threshold",
  maskThreshold: "mask_threshold",
  overlapThreshold: "overlap_threshold",
  minArea: "min_area",
} as const satisfies Record<keyof TaskOptions, keyof SegmentParameters>;

/**
 * The parameters that were given as options.
 * @throws ClustsegError USAGE when one has no effect on the task
 */
export function parametersOf(options: TaskOptions, task: Task, manifest: BundleManifest): SegmentParameters {
  const names = parameterNames(task, manifest);
  const given: Record<string, number> = {};
  for (const [option, parameter] of Object.entries(parameterOf) as [keyof TaskOptions, keyof SegmentParameters][]) {
    const value = options[option];
    if (value === undefined) continue;
    if (!names.includes(parameter)) {
      const others = Object.values(parameterOf).filter((name) => names.includes(name));
      const message = `${flag(parameter)} has no effect on the task "${task}" of ${manifest.name}`;
      throw new ClustsegError("USAGE", message, {
        hint: `Leave it out. This task has ${others.map(flag).join(", ")}; --task and --model choose another.`,
      });
    }
    given[parameter] = value;
  }
  return given;
}

/** The parameters that were given as options, whatever the task. */
export function givenParameters(options: TaskOptions): Readonly<Record<string, number>> {
  const entries = Object.entries(parameterOf) as [keyof TaskOptions, string][];
  return Object.fromEntries(
    entries.flatMap(([option, parameter]) => {
      const value = options[option];
      return value === undefined ? [] : [[parameter, value]];
    }),
  );
}

/** --mask-threshold */
function flag(parameter: string): string {
  return `--${parameter.replaceAll("_", "-")}`;
}
