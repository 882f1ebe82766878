import { z } from "zod";
import { ClustsegError } from "../segments/errors.js";
import type { BundleManifest, Task } from "./bundle.js";

/** Parameters of the task "superpixel"; those not given come from model.json's `defaults`. */
export interface SuperpixelParameters {
  /** How many superpixels are wanted; between that and 1.15 times as many seeds are laid out. */
  readonly superpixels?: number | undefined;
  /** Pieces smaller than this part of the mean superpixel are merged into a neighbour; 0 keeps all. */
  readonly min_area_ratio?: number | undefined;
}

/**
 * Parameters of the tasks with classes, under the names of Mask2Former's and DETR's post-processing; those not given come from
 * model.json's `defaults`. There masks overlap, and are made to agree; here each pixel has one winner from the start.
 */
export interface MaskParameters {
  /**
   * Instance and panoptic: things whose calibrated score (the probability that it is such an object) is below are left out
   * before pixels are given away, so that theirs go to whoever comes next. 0 to 1.
   */
  readonly threshold?: number | undefined;
  /** Pixels whose winner is less probable than this have no segment. 0 to 1; 0 leaves no pixel without. */
  readonly mask_threshold?: number | undefined;
  /**
   * Instance and panoptic: a thing that keeps less than this part of the pixels it won, once specks and pieces too small are
   * taken away, is dropped. 0 to 1; 0 drops none.
   */
  readonly overlap_threshold?: number | undefined;
  /**
   * Connected pieces with fewer pixels go to the neighbour with the longest shared border; a thing or a class without a larger
   * piece is no segment. Pixels of the image, or of the size it is scaled to where model.json's `input.scale` says "fit".
   */
  readonly min_area?: number | undefined;
}

/** Those of the image's task may be given. */
export interface SegmentParameters extends SuperpixelParameters, MaskParameters {}

type ParameterName = keyof SegmentParameters;

/** A value for each parameter of a task, and no others. */
export type CompleteParameters = Readonly<Partial<Record<ParameterName, number>>>;

const ranges: Readonly<Record<ParameterName, { schema: z.ZodNumber | z.ZodInt; words: string }>> = {
  superpixels: { schema: z.int().min(1), words: "a whole number from 1" },
  min_area_ratio: { schema: z.number().min(0).max(1), words: "a number from 0 to 1" },
  threshold: { schema: z.number().min(0).max(1), words: "a number from 0 to 1" },
  mask_threshold: { schema: z.number().min(0).max(1), words: "a number from 0 to 1" },
  overlap_threshold: { schema: z.number().min(0).max(1), words: "a number from 0 to 1" },
  min_area: { schema: z.int().min(0), words: "a whole number of pixels from 0" },
};

const namesOfTask: Readonly<Record<Task, readonly ParameterName[]>> = {
  superpixel: ["superpixels", "min_area_ratio"],
  semantic: ["mask_threshold", "min_area"],
  instance: ["threshold", "mask_threshold", "overlap_threshold", "min_area"],
  panoptic: ["threshold", "mask_threshold", "overlap_threshold", "min_area"],
};

/** The parameters that have an effect on a task of this model. */
export function parameterNames(task: Task, { graph }: Pick<BundleManifest, "graph">): readonly ParameterName[] {
  const listens = graph.inputs.some(({ name }) => name === "mask_threshold");
  return namesOfTask[task].filter((name) => name !== "mask_threshold" || listens);
}

/**
 * The task, if the model does it; the model's first when none is named.
 * @throws ClustsegError TASK_UNSUPPORTED
 */
export function chooseTask({ name, tasks }: Pick<BundleManifest, "name" | "tasks">, task: string | undefined): Task {
  const found = task === undefined ? tasks[0] : tasks.find((known) => known === task);
  if (found !== undefined) return found;
  throw new ClustsegError("TASK_UNSUPPORTED", `The model ${name} does not do the task "${task}".`, {
    hint: `It does: ${tasks.join(", ")}. Other models do others: see \`clustseg models\`.`,
  });
}

/**
 * All parameters of a task: those given, and the bundle's defaults for the others.
 * @param given from a person or a document, so of any type
 * @throws ClustsegError PARAMETER_INVALID
 */
export function completeParameters(
  task: Task,
  given: unknown,
  manifest: Pick<BundleManifest, "graph" | "defaults">,
): CompleteParameters {
  const names = parameterNames(task, manifest);
  const hint = `The task "${task}" takes ${names.map((name) => `${name} (${ranges[name].words})`).join(", ")}.`;
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new ClustsegError("PARAMETER_INVALID", "Expected parameters by their names.", { hint });
  }
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && !names.some((known) => known === name)) {
      throw new ClustsegError("PARAMETER_INVALID", `The task "${task}" has no parameter "${name}".`, { hint });
    }
  }
  const complete: Partial<Record<ParameterName, number>> = {};
  for (const name of names) {
    const { schema, words } = ranges[name];
    const value = (given as Record<string, unknown>)[name] ?? manifest.defaults[name];
    const parsed = schema.safeParse(value);
    if (!parsed.success) {
      const received = typeof value === "number" || typeof value === "string" ? JSON.stringify(value) : typeof value;
      throw new ClustsegError("PARAMETER_INVALID", `Expected ${words} for ${name} but received ${received}.`, { hint });
    }
    complete[name] = parsed.data;
  }
  return complete;
}
