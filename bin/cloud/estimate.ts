import { machineOf, type Prices, type Rate, rateOf } from "./prices.js";

export interface EstimateRequest {
  readonly images: number;
  /** Of one image, on average. */
  readonly megapixels: number;
  readonly model: string;
  /** Extra result files an image. */
  readonly formats: number;
  /** gpu, cpu or fargate */
  readonly compute: string;
  /** @default the first of its kind in the table */
  readonly machine?: string;
  readonly machines: number;
  readonly spot: boolean;
  /** Megapixels a second of one machine, as a person has measured it. */
  readonly ownRate?: number;
}

export interface Estimate {
  readonly images: number;
  readonly megapixels: number;
  readonly machine: string;
  readonly machines: number;
  readonly spot: boolean;
  readonly rate: Rate;
  /** Of one machine, while it works. */
  readonly images_per_second: number;
  readonly seconds: {
    /** Until the first machine works. */
    readonly startup: number;
    /** Of all machines together. */
    readonly machine: number;
    /** From submit to the end. */
    readonly wall: number;
  };
  readonly dollars: {
    readonly machines: number;
    readonly requests: number;
    readonly functions: number;
    readonly logs: number;
    readonly total: number;
    readonly per_1000_images: number;
  };
  readonly prices: Pick<Prices, "as_of" | "region"> & { readonly use: Prices["use"]["basis"] };
}

const hour = 3600;

/** Time and money of a job, by a table of prices and rates. Linear in the images, but for what a run and a machine's start cost. */
export function estimate(prices: Prices, request: EstimateRequest): Estimate {
  const { images, megapixels, model, formats, spot } = request;
  const { use } = prices;
  const machine = machineOf(prices, request.compute, request.machine);
  const price = prices.machines[machine]!;
  const rate =
    request.ownRate === undefined ? rateOf(prices, model, machine) : ownRateOf(model, machine, request.ownRate);
  const perImage = rate.seconds_per_image + rate.seconds_per_megapixel * megapixels;
  const startup = prices.startup_seconds[price.kind];
  const shards = Math.ceil(images / use.images_per_shard);
  // A shard is worked on by one machine, so more machines than shards would only be started.
  const machines = Math.min(request.machines, shards);
  const working = images * perImage;
  const machineSeconds = working + machines * startup;

  const machineDollars = (machineSeconds / hour) * (spot ? price.spot_hour : price.on_demand_hour);
  const puts = images * (use.puts_per_image + use.puts_per_format * formats);
  const requests = (puts * prices.puts_per_1000 + images * use.gets_per_image * prices.gets_per_1000) / 1000;
  const transitions = use.transitions_per_run + shards * use.transitions_per_shard;
  const functions =
    images * use.lambda_gb_seconds_per_image * prices.lambda_gb_second +
    (transitions * prices.transitions_per_1000) / 1000;
  const logs = ((images * use.log_bytes_per_image) / 1024 ** 3) * prices.logs_gb;
  const total = machineDollars + requests + functions + logs;
  return {
    images,
    megapixels: images * megapixels,
    machine,
    machines,
    spot,
    rate,
    images_per_second: perImage === 0 ? 0 : 1 / perImage,
    seconds: { startup, machine: machineSeconds, wall: startup + working / machines },
    dollars: {
      machines: machineDollars,
      requests,
      functions,
      logs,
      total,
      per_1000_images: (1000 * total) / images,
    },
    prices: { as_of: prices.as_of, region: prices.region, use: use.basis },
  };
}

function ownRateOf(model: string, machine: string, megapixelsPerSecond: number): Rate {
  const seconds = 1 / megapixelsPerSecond;
  return {
    model,
    machine,
    seconds_per_image: 0,
    seconds_per_megapixel: seconds,
    basis: "measured",
    how: "by you (--rate)",
  };
}
