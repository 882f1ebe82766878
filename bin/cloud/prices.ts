import { z } from "zod";
import { parseDocument } from "../../layers/pipeline/contracts.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import table from "./prices.json" with { type: "json" };

const amount = z.number().nonnegative();

const machineSchema = z.strictObject({
  kind: z.enum(["gpu", "cpu", "fargate"]),
  on_demand_hour: amount,
  spot_hour: amount,
});

/** How long one machine takes: so much an image, and so much a megapixel of it. "*" is any model, any machine. */
const rateSchema = z.strictObject({
  model: z.string().min(1),
  machine: z.string().min(1),
  seconds_per_image: amount,
  seconds_per_megapixel: amount,
  basis: z.enum(["measured", "assumed"]),
  how: z.string().min(1),
});
export type Rate = z.infer<typeof rateSchema>;

const useSchema = z.strictObject({
  about: z.string(),
  basis: z.enum(["measured", "assumed"]),
  puts_per_image: amount,
  puts_per_format: amount,
  gets_per_image: amount,
  lambda_gb_seconds_per_image: amount,
  images_per_shard: amount.min(1),
  transitions_per_shard: amount,
  transitions_per_run: amount,
  log_bytes_per_image: amount,
});

const pricesSchema = z.strictObject({
  schema: z.literal("clustseg.prices/1"),
  as_of: z.string().regex(/^\d{4}-\d{2}(-\d{2})?$/),
  region: z.string().min(1),
  currency: z.string().min(1),
  about: z.string(),
  machines: z.record(z.string(), machineSchema),
  startup_seconds: z.strictObject({ gpu: amount, cpu: amount, fargate: amount }),
  puts_per_1000: amount,
  gets_per_1000: amount,
  lambda_gb_second: amount,
  transitions_per_1000: amount,
  logs_gb: amount,
  storage_gb_month: amount,
  use: useSchema,
  rates: z.array(rateSchema),
});
export type Prices = z.infer<typeof pricesSchema>;

/** Any part of the table. Rates are added before its own, so that they are found first. */
const overridesSchema = z.strictObject({
  ...pricesSchema.partial().shape,
  machines: z.record(z.string(), machineSchema.partial()).optional(),
  startup_seconds: pricesSchema.shape.startup_seconds.partial().optional(),
  use: useSchema.partial().optional(),
});

/**
 * The table of prices and rates, with what a person has written over it.
 * @param overrides JSON text
 * @param file where that is from, for messages
 * @throws ClustsegError CONFIG_INVALID
 */
export function readPrices(overrides?: string, file = "--prices"): Prices {
  const own = parseDocument(pricesSchema, JSON.stringify(table), "INTERNAL", "prices.json");
  if (overrides === undefined) return own;
  const given = parseDocument(overridesSchema, overrides, "CONFIG_INVALID", file);
  const machines = { ...own.machines } as Record<string, unknown>;
  for (const [name, machine] of Object.entries(given.machines ?? {})) {
    machines[name] = { ...own.machines[name], ...machine };
  }
  const merged = {
    ...own,
    ...given,
    machines,
    startup_seconds: { ...own.startup_seconds, ...given.startup_seconds },
    use: { ...own.use, ...given.use },
    rates: [...(given.rates ?? []), ...own.rates],
  };
  return parseDocument(pricesSchema, JSON.stringify(merged), "CONFIG_INVALID", file);
}

/**
 * The machine that is meant: by name, or the first of a kind.
 * @throws ClustsegError USAGE
 */
export function machineOf({ machines }: Prices, kind: string, name: string | undefined): string {
  const found = name ?? Object.keys(machines).find((one) => machines[one]?.kind === kind);
  if (found !== undefined && machines[found] !== undefined) return found;
  const what = name === undefined ? `no machine for compute "${kind}"` : `no price of the machine ${name}`;
  throw new ClustsegError("USAGE", `the table has ${what}`, {
    hint: `It has: ${Object.keys(machines).join(", ")}. Others can be given with --prices.`,
  });
}

/** The first that fits best: of the very model and machine, then of any model, then of any machine. */
export function rateOf({ rates }: Prices, model: string, machine: string): Rate {
  const fits = (one: Rate, wantedModel: string, wantedMachine: string) =>
    one.model === wantedModel && one.machine === wantedMachine;
  const tries = [
    [model, machine],
    ["*", machine],
    [model, "*"],
    ["*", "*"],
  ] as const;
  for (const [wantedModel, wantedMachine] of tries) {
    const found = rates.find((one) => fits(one, wantedModel, wantedMachine));
    if (found !== undefined) return found;
  }
  throw new ClustsegError("CONFIG_INVALID", `the table has no rate for ${model} on ${machine}`, {
    hint: 'Add one with --prices, or give --rate. {"model": "*", "machine": "*", …} fits everything.',
  });
}
