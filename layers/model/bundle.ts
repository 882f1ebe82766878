import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import type { Category } from "../segments/categories.js";
import { ClustsegError } from "../segments/errors.js";

const whole = z.int().nonnegative();
const positive = z.int().positive();
const dimension = z.union([whole, z.string().min(1)]);
const tensor = z.strictObject({
  name: z.string().min(1),
  type: z.enum(["uint8", "uint16", "int32", "int64", "float16", "float32"]),
  shape: z.array(dimension),
});

const taskNames = ["superpixel", "semantic", "instance", "panoptic"] as const;
/** A task, by the name that it has in model.json and on the command line. */
export type Task = (typeof taskNames)[number];

const part = z.number().min(0).max(1);
const level = z.int().min(0).max(255);

const inputSchema = z.strictObject({
  color: z.literal("RGB"),
  /** Sides must be multiples of this; 1 if the graph pads or resamples by itself. */
  multiple: positive,
  min_side: positive,
  /** Sides of a superpixel's grid cell, in pixels: those the graph works at, and the step between them. */
  cell_size: z
    .strictObject({ min: positive, max: positive, multiple: positive.default(1) })
    .refine((c) => c.min <= c.max, "min is above max")
    .exactOptional(),
  /**
   * Superpixels: more pixels than `max_pixels` are segmented in tiles. They overlap, on every side, by what the graph sees
   * around a pixel: at least `overlap_cells` cells and `overlap_pixels` pixels. They begin and end at multiples of `align`
   * pixels, the graph's coarsest stride, so that its coarse features lie as they would in the whole picture.
   */
  tile: z
    .strictObject({
      max_pixels: positive,
      overlap_cells: whole,
      overlap_pixels: whole.default(0),
      align: positive.default(1),
    })
    .exactOptional(),
  /**
   * Tasks with classes: the size at which the graph is given an image. "native": its own. "fit": scaled, up or down, so that
   * its longer side is `long_side` pixels; what comes back is scaled to the image's frame.
   */
  scale: z
    .discriminatedUnion("mode", [
      z.strictObject({ mode: z.literal("native") }),
      z.strictObject({ mode: z.literal("fit"), long_side: positive }),
    ])
    .default({ mode: "native" }),
  /**
   * Tasks with classes, native scale: an image of more than side x side pixels is segmented in tiles with sides of at most
   * `side` that overlap by `overlap` pixels and begin at multiples of `align`. Without this, images are run whole.
   */
  mask_tile: z
    .strictObject({ side: positive, overlap: positive, align: positive.default(32) })
    .refine((t) => t.side - t.overlap >= t.align, "side must be larger than overlap by align or more")
    .exactOptional(),
});

const defaultsSchema = z.strictObject({
  superpixels: z.int().min(1).max(65_000).exactOptional(),
  /** Superpixels: components smaller than this part of the mean cell are merged into a neighbour. */
  min_area_ratio: part.exactOptional(),
  /** Things whose score is below are not found. */
  threshold: part.exactOptional(),
  /** Pixels whose winning cluster is less probable than this have no segment. */
  mask_threshold: part.exactOptional(),
  /** Things that keep less than this part of the pixels they won are dropped. */
  overlap_threshold: part.exactOptional(),
  /** Pieces with fewer pixels, at the graph's scale, are given to a neighbour. */
  min_area: whole.exactOptional(),
});

/** What a task needs in model.json beside what every bundle has, as paths. */
const needs: Readonly<Record<Task, readonly string[]>> = {
  superpixel: ["input.cell_size", "input.tile", "defaults.superpixels", "defaults.min_area_ratio"],
  semantic: ["defaults.min_area"],
  instance: ["defaults.threshold", "defaults.overlap_threshold", "defaults.min_area"],
  panoptic: ["defaults.threshold", "defaults.overlap_threshold", "defaults.min_area"],
};

/** model.json, version 1. Keys are snake_case as in all of the product's documents. */
export const bundleManifestSchema = z
  .strictObject({
    schema: z.literal("clustseg.bundle/1"),
    name: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/),
    version: z.string().regex(/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/),
    /** The first is the one that is done when none is asked for; the graph's input `task` is an index into them. */
    tasks: z.array(z.enum(taskNames)).min(1),
    graph: z.strictObject({
      /** A name inside the bundle's folder, never a path. */
      file: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      bytes: positive,
      precision: z.enum(["fp32", "fp16", "int8"]),
      opset: positive,
      inputs: z.array(tensor).min(1),
      outputs: z.array(tensor).min(1),
    }),
    classes: z.array(
      z.strictObject({
        id: whole,
        name: z.string().min(1),
        isthing: z.union([z.boolean(), z.literal(0), z.literal(1)]),
        color: z.tuple([level, level, level]),
      }),
    ),
    input: inputSchema,
    defaults: defaultsSchema,
    /** How raw scores became probabilities; free-form numbers. */
    calibration: z.looseObject({}).exactOptional(),
    training: z.looseObject({ data: z.string(), split: z.string(), terms: z.string() }),
    metrics: z.array(
      z.looseObject({
        data: z.string(),
        split: z.string(),
        images: whole,
        name: z.string(),
        at: z.union([z.string(), z.number()]),
        value: z.number(),
        command: z.string(),
      }),
    ),
    licence: z.string().min(1),
    limits: z.array(z.string()),
  })
  .superRefine(({ tasks, classes, input, defaults, graph }, context) => {
    const missing = (path: string, why: string) =>
      context.addIssue({ code: "custom", path: path.split("."), message: why });
    const there = new Set([
      ...Object.keys(input).map((name) => `input.${name}`),
      ...Object.keys(defaults).map((name) => `defaults.${name}`),
    ]);
    if (new Set(tasks).size < tasks.length) missing("tasks", "a task is named twice");
    for (const task of tasks) {
      for (const path of needs[task]) if (!there.has(path)) missing(path, `the task "${task}" needs it`);
    }
    const listens = graph.inputs.some(({ name }) => name === "mask_threshold");
    if (listens && !there.has("defaults.mask_threshold")) missing("defaults.mask_threshold", "the graph takes it");
    if (tasks.some(hasClasses) && classes.length === 0) missing("classes", "there must be one or more");
    if (new Set(classes.map(({ id }) => id)).size < classes.length) missing("classes", "two have one id");
    if (tasks.some((task) => task === "instance") && !classes.some(({ isthing }) => isthing)) {
      missing("classes", 'the task "instance" needs one that is a thing');
    }
  });

/** Are the segments of this task of classes? (Superpixels are not.) */
export function hasClasses(task: Task): boolean {
  return task !== "superpixel";
}

export type BundleManifest = Readonly<z.infer<typeof bundleManifestSchema>>;

/** The bundle's classes, as results list them. */
export function categoriesOf({ classes }: Pick<BundleManifest, "classes">): Category[] {
  return classes.map(({ id, name, isthing, color }) => ({ id, name, isthing: Boolean(isthing), color }));
}

/** A bundle whose graph is, byte for byte, the one its manifest describes. */
export interface Bundle {
  readonly directory: string;
  readonly manifest: BundleManifest;
  /** The verified graph, on an ArrayBuffer of its own. */
  readonly graph: Uint8Array<ArrayBuffer>;
}

/**
 * Reads and checks `directory`/model.json.
 * @throws ClustsegError MODEL_NOT_FOUND, MODEL_MANIFEST_INVALID
 */
export async function loadManifest(directory: string): Promise<BundleManifest> {
  const text = new TextDecoder().decode(await readBundleFile(directory, "model.json"));
  const invalid = (message: string, cause?: unknown): ClustsegError =>
    new ClustsegError("MODEL_MANIFEST_INVALID", message, {
      hint: "Get the bundle anew, or export it again; docs/architecture.md describes model.json.",
      cause,
    });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid(`model.json in ${directory} is not JSON.`, cause);
  }
  const parsed = bundleManifestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => `${issue.path.join(".") || "the document"}: ${issue.message}`);
  throw invalid(
    `model.json in ${directory} does not match clustseg.bundle/1: ${issues.slice(0, 5).join("; ")}.`,
    parsed.error,
  );
}

/**
 * Reads a bundle and verifies its graph's size and SHA-256.
 * @throws ClustsegError MODEL_NOT_FOUND, MODEL_MANIFEST_INVALID, MODEL_DAMAGED
 */
export async function loadBundle(directory: string): Promise<Bundle> {
  const manifest = await loadManifest(directory);
  const { file, bytes, sha256 } = manifest.graph;
  const content = await readBundleFile(directory, file);
  const damaged = (how: string): ClustsegError =>
    new ClustsegError("MODEL_DAMAGED", `${file} in ${directory} is not the graph that model.json describes: ${how}.`, {
      hint: "Get the bundle anew: the file was changed or not copied to its end (or Git LFS left only a pointer).",
    });
  if (content.byteLength !== bytes) throw damaged(`${content.byteLength} bytes instead of ${bytes}`);
  if (createHash("sha256").update(content).digest("hex") !== sha256) throw damaged("its SHA-256 differs");
  return { directory, manifest, graph: new Uint8Array(content) };
}

async function readBundleFile(directory: string, file: string): Promise<Uint8Array> {
  try {
    return await readFile(path.join(directory, file));
  } catch (cause) {
    throw new ClustsegError("MODEL_NOT_FOUND", `There is no ${file} in ${directory}.`, {
      hint: "Give the folder of a bundle (it holds model.json and the graph it names), or the name of one that ships.",
      cause,
    });
  }
}
