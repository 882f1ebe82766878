import { z } from "zod";
import { ClustsegError, type ErrorCode } from "../segments/errors.js";
import { parametersSchema, runIdSchema, shardNameSchema } from "./contracts.js";

/**
 * What the parts of the cloud hand to each other: the state machine, the functions, the container, the command line and what
 * is synthesised. Each is validated whenever it is read.
 */

const count = z.int().nonnegative();
const pipelineName = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,28}[a-z0-9])?$/, "Write 1 to 30 lower-case letters, digits and hyphens.");

/** What every upload goes through: a model and what is asked of it, resolved from the bundle's model.json at synth. */
export const pipelineSchema = z.strictObject({
  name: pipelineName,
  model: z.object({
    name: z.string().min(1),
    version: z.string().min(1),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    tasks: z.array(z.string().min(1)).min(1),
  }),
  task: z.string().min(1),
  /** With the model's defaults filled in. */
  parameters: parametersSchema,
  /** Extra result files; none means segments.png and metadata.json. */
  formats: z.array(z.string().min(1)),
});
export type Pipeline = z.infer<typeof pipelineSchema>;

/** The configured pipelines: at least one, names unique, no recipe twice (it would be paid for twice). */
export const pipelinesSchema = z
  .array(pipelineSchema)
  .min(1)
  .superRefine((pipelines, context) => {
    const names = new Set<string>();
    const recipes = new Map<string, string>();
    for (const { name, model, task, parameters, formats } of pipelines) {
      if (names.has(name)) context.addIssue({ code: "custom", message: `Two pipelines are called "${name}".` });
      names.add(name);
      const entries = Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1));
      const recipe = JSON.stringify([model.name, model.version, model.sha256, task, entries, [...formats].sort()]);
      const twin = recipes.get(recipe);
      if (twin !== undefined) {
        context.addIssue({ code: "custom", message: `The pipelines "${twin}" and "${name}" do the same: remove one.` });
      }
      recipes.set(recipe, name);
    }
  });

/**
 * What `clustseg submit` asks for: exactly one of prefix, list, inventory.
 * `list` and `inventory`: a key in staging, or the s3:// address of an object of the uploads bucket.
 */
export const submitSchema = z
  .strictObject({
    /** Below the uploads store; "" is all of it. */
    prefix: z.string().exactOptional(),
    /** A text with a key of the uploads store, or an s3:// address in it, on each line. */
    list: z.string().min(1).exactOptional(),
    /** The manifest.json of an S3 inventory (CSV). */
    inventory: z.string().min(1).exactOptional(),
    force: z.boolean().exactOptional(),
    formats: z.array(z.string().min(1)).exactOptional(),
    /** Those that differ from the pipeline's. */
    parameters: parametersSchema.exactOptional(),
    task: z.string().min(1).exactOptional(),
    /** The run's id, and the name of its execution: choose it with `submitRunId`. */
    run_id: runIdSchema,
  })
  .refine(
    ({ prefix, list, inventory }) => [prefix, list, inventory].filter((given) => given !== undefined).length === 1,
    "Give exactly one of prefix, list and inventory.",
  );
export type Submit = z.infer<typeof submitSchema>;

/** A run id for a submit: unique, and in the order of time. @param random 0 to 1 */
export function submitRunId(now: number, random: number): string {
  const salt = Math.floor(random * 36 ** 4)
    .toString(36)
    .padStart(4, "0");
  return `s-${now.toString(36)}-${salt}`;
}

/** Input of an execution of the state machine: of intake, of `submit`, or of `redrive`. The execution's name is the run's id. */
export const executionInputSchema = z.union([
  /** request.json and manifest.jsonl lie in staging. */
  z.strictObject({ pipeline: pipelineName, run_id: runIdSchema }),
  z.strictObject({ pipeline: pipelineName, submit: submitSchema }),
  /**
   * A run that was cancelled or has failed goes on. The execution is called `retryName(run_id, n)`; whoever starts it deletes the
   * run's stop marker before.
   */
  z.strictObject({ pipeline: pipelineName, resume: runIdSchema }),
]);
export type ExecutionInput = z.infer<typeof executionInputSchema>;

/** The run that an execution with this input works on. */
export function runOfInput(input: ExecutionInput): string {
  if ("submit" in input) return input.submit.run_id;
  return "resume" in input ? input.resume : input.run_id;
}

const retrySuffix = /-retry-\d+$/;

/** Name of the nth execution (from 1) that goes on with a run. */
export function retryName(runId: string, n: number): string {
  return `${runId}-retry-${n}`;
}

/** The run that an execution of this name works on. */
export function runOfExecution(name: string): string {
  return name.replace(retrySuffix, "");
}

/** What plan answers; `shard` is given when the route is "quick" (then it is the only one). */
export const planOutputSchema = z.object({
  pipeline: pipelineName,
  run_id: runIdSchema,
  route: z.enum(["quick", "batch", "none"]),
  /** Shards and images that are still to be segmented. */
  shards: count,
  items: count,
  /** Key in staging of the list that the Distributed Map reads. */
  map_key: z.string(),
  shard: shardNameSchema.exactOptional(),
});
export type PlanOutput = z.infer<typeof planOutputSchema>;

/** One element of map.json, the input of a child of the Distributed Map. */
export const mapItemSchema = z.object({ shard: shardNameSchema, items: count });
export type MapItem = z.infer<typeof mapItemSchema>;

/** Input of quick and of publish. */
export const shardInputSchema = z.object({ pipeline: pipelineName, run_id: runIdSchema, shard: shardNameSchema });
export type ShardInput = z.infer<typeof shardInputSchema>;

/** What quick answers. Not complete: call it again, what it has done is kept. */
export interface QuickOutput {
  readonly complete: boolean;
  readonly remaining: number;
}

/** What publish answers. `missing` > 0: images without an outcome; the shard is to be segmented again. */
export interface PublishOutput {
  readonly shard: string;
  readonly outcomes: number;
  readonly missing: number;
}

export const summarizeInputSchema = z.object({
  pipeline: pipelineName,
  /** Or the name of the execution, when plan failed before it could tell. */
  run_id: runIdSchema,
  status: z.enum(["completed", "failed"]),
  /** What the state machine caught. */
  error: z.object({ Error: z.string().optional(), Cause: z.string().optional() }).optional(),
});
export type SummarizeInput = z.infer<typeof summarizeInputSchema>;

export interface SummarizeOutput {
  readonly run_id: string;
  readonly status: string;
  readonly items: {
    readonly total: number;
    readonly segmented: number;
    readonly skipped: number;
    readonly rejected: number;
    readonly pending: number;
  };
  /** s3:// address of the report. */
  readonly report: string;
}

/** staging runs/<id>/stop.json: nothing more is begun for this run. */
export const stopMarkerSchema = z.object({
  schema: z.literal("clustseg.stop/1"),
  reason: z.enum(["cancelled", "over_budget"]),
  at: z.iso.datetime(),
});
export type StopMarker = z.infer<typeof stopMarkerSchema>;

/** Exit codes of the segment job; the state machine and Batch's retry rules go by them. */
export const segmentExit = { complete: 0, stopped: 3, retry: 75 } as const;

/** Our events on EventBridge. */
export const eventSource = "clustseg";
export const runCompletedType = "Run Completed";
export const itemRejectedType = "Item Rejected";
/** Rejected images of a run that get an event of their own. */
export const rejectedEvents = 100;

/** Where results of a pipeline lie below the results store. */
export function pipelinePrefix(pipeline: string): string {
  return `${pipeline}/`;
}

/**
 * Results must not be uploads again: a run would start itself for ever. Staging holds what hostile images may have written, so
 * it is no part of either.
 * @param places s3:// addresses
 * @throws ClustsegError CONFIG_INVALID
 */
export function checkPlaces(places: {
  readonly uploads?: string | undefined;
  readonly staging?: string | undefined;
  readonly results?: string | undefined;
}): void {
  const bucketOf = (uri: string | undefined) => (uri === undefined ? undefined : uri.split("/")[2]);
  const refuse = (what: string) => {
    throw new ClustsegError("CONFIG_INVALID", what, {
      hint: "Give each its own bucket: results that land among uploads would be segmented again, for ever.",
    });
  };
  const { uploads, staging, results } = places;
  if (uploads !== undefined && bucketOf(uploads) === bucketOf(results)) refuse("results are in the uploads bucket");
  if (uploads !== undefined && bucketOf(uploads) === bucketOf(staging)) refuse("staging is in the uploads bucket");
  if (staging !== undefined && results !== undefined && (staging.startsWith(results) || results.startsWith(staging))) {
    refuse("staging and results are in one place");
  }
}

/**
 * A value against its schema.
 * @param what for the message
 * @throws ClustsegError of `code`
 */
export function parseValue<T>(schema: z.ZodType<T>, value: unknown, code: ErrorCode, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ClustsegError(code, `${what}: ${z.prettifyError(parsed.error).replaceAll("\n", "; ")}`, {
    hint: "See layers/pipeline/cloud-contracts.ts for what is expected.",
  });
}

/** @throws ClustsegError CONFIG_INVALID when no pipeline has this name */
export function pipelineNamed(pipelines: readonly Pipeline[], name: string): Pipeline {
  const found = pipelines.find((pipeline) => pipeline.name === name);
  if (found !== undefined) return found;
  throw new ClustsegError("CONFIG_INVALID", `there is no pipeline "${name}"`, {
    hint: `It was taken out of the configuration, or misspelt; there are: ${pipelines.map((one) => one.name).join(", ")}.`,
  });
}
