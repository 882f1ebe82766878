import { z } from "zod";
import { parseDocument } from "../../layers/pipeline/contracts.js";
import document from "./figures.json" with { type: "json" };

/**
 * Where a number is from. "measured": by a bench of this repository; "counted": it follows from the code; "documented": by
 * AWS; "assumed": nobody has measured it here, and `how` tells what it rests on.
 */
const basis = z.enum(["measured", "counted", "documented", "assumed"]);

const figureSchema = z.strictObject({
  value: z.number().nonnegative(),
  unit: z.string().min(1),
  basis,
  how: z.string().min(1),
});
export type Figure = z.infer<typeof figureSchema>;

const quotaSchema = figureSchema.extend({
  value: z.number().positive(),
  /** Can AWS raise it? "choice": it is ours, in the stack's configuration. */
  adjustable: z.enum(["yes", "no", "choice"]),
});
export type Quota = z.infer<typeof quotaSchema>;

export const figureNames = [
  "puts_per_image",
  "gets_per_image",
  "heads_per_image",
  "uploads_gets_per_image",
  "results_puts_per_image",
  "staged_bytes_per_image",
  "puts_per_shard",
  "gets_per_shard",
  "heads_per_shard",
  "lists_per_shard",
  "transitions_per_shard",
  "transitions_per_run",
  "plan_us_per_image",
  "plan_inventory_us_per_image",
  "summarize_us_per_image",
  "publish_ms_per_image",
  "publish_ms_per_megapixel",
  "lambda_slowdown",
  "lambda_gb",
  "publish_at_once",
  "plan_at_once",
  "s3_request_seconds",
  "s3_list_page_seconds",
  "schedule_seconds",
  "job_start_seconds",
  "machine_start_spread",
  "shard_spread",
  "idle_seconds",
  "spot_interruptions_per_hour",
  "spot_wait_seconds",
  "lost_seconds",
] as const;
export type FigureName = (typeof figureNames)[number];

export const quotaNames = [
  "gpu_vcpus",
  "max_vcpus",
  "map_concurrency_configured",
  "map_concurrency",
  "map_output_bytes",
  "submit_jobs_per_second",
  "batch_array_size",
  "history_events",
  "start_executions_per_second",
  "transitions_per_second",
  "lambda_concurrency",
  "lambda_seconds",
  "s3_puts_per_second",
  "s3_gets_per_second",
  "eventbridge_per_second",
  "sqs_in_flight",
  "intake_images_per_batch",
  "intake_at_once",
] as const;
export type QuotaName = (typeof quotaNames)[number];

const named = <const Names extends readonly [string, ...string[]], Schema extends z.ZodType>(
  names: Names,
  schema: Schema,
) => z.record(z.enum(names), schema);

const figuresSchema = z.strictObject({
  schema: z.literal("clustseg.scale-figures/1"),
  about: z.string(),
  figures: named(figureNames, figureSchema),
  quotas: named(quotaNames, quotaSchema),
});
export type Figures = z.infer<typeof figuresSchema>;

/** The figures of figures.json; all of them must be there. @throws ClustsegError INTERNAL */
export function readFigures(): Figures {
  return parseDocument(figuresSchema, JSON.stringify(document), "INTERNAL", "bench/scale/figures.json");
}

/** The values alone. */
export type Values = Readonly<Record<FigureName, number>>;

export function valuesOf({ figures }: Figures): Values {
  return Object.fromEntries(figureNames.map((name) => [name, figures[name].value])) as Values;
}
