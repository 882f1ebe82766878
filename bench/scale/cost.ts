import { machineOf, type Prices, type Rate, rateOf } from "../../bin/cloud/prices.js";
import { type Figures, valuesOf } from "./figures.js";
import { imagesOfARun, type Planning, planSeconds, publishSecondsPerImage, summarizeSeconds } from "./limits.js";
import { type Scenario, type Simulated, simulate } from "./simulate.js";

/** What one buys: a machine of the price table, and how. */
export interface Fleet {
  readonly name: string;
  readonly machine: string;
  readonly spot: boolean;
  /** Machines at once. */
  readonly machines: number;
}

export interface Job {
  readonly images: number;
  /** Of one image. */
  readonly megapixels: number;
  readonly model: string;
  readonly shardImages: number;
  readonly fleet: Fleet;
  /** Folders that keys are spread over evenly: S3's rates are those of each. @default 1 */
  readonly prefixes?: number;
  readonly seed: number;
  /** Other assumptions than the table's. */
  readonly change?: Partial<Scenario>;
}

export interface Costed extends Simulated {
  /** More than one run, when one would be larger than plan or summarize can handle. */
  readonly runs: number;
  readonly rate: Rate;
  readonly dollars: {
    readonly machines: number;
    readonly requests: number;
    readonly functions: number;
    readonly logs: number;
    readonly total: number;
    readonly perThousand: number;
  };
}

/** As most runs of very many images begin. */
const planning: Planning = { source: "listing", checked: false };

/** One image on one machine of this kind, by the price table's rates. */
export function secondsPerImage(rate: Rate, megapixels: number): number {
  return rate.seconds_per_image + rate.seconds_per_megapixel * megapixels;
}

/** The job as `simulate` wants it. */
export function scenarioOf(figures: Figures, prices: Prices, job: Job): Scenario {
  const { images, shardImages, fleet, prefixes = 1, seed } = job;
  const values = valuesOf(figures);
  const { quotas } = figures;
  const machine = machineOf(prices, "", fleet.machine);
  const { kind } = prices.machines[machine]!;
  const largest = Math.min(images, imagesOfARun(figures, values, shardImages, planning));
  const s3 = Math.min(
    quotas.s3_puts_per_second.value / values.results_puts_per_image,
    quotas.s3_gets_per_second.value / values.uploads_gets_per_image,
  );
  return {
    images,
    shardImages,
    machines: fleet.machines,
    secondsPerImage: secondsPerImage(rateOf(prices, job.model, machine), job.megapixels),
    // Further runs are planned while the first is at work.
    planSeconds: planSeconds(values, largest, planning),
    summarizeSeconds: summarizeSeconds(values, largest, Math.ceil(largest / shardImages)),
    machineStartSeconds: prices.startup_seconds[kind],
    scheduleSeconds: values.schedule_seconds,
    jobStartSeconds: values.job_start_seconds,
    publishSecondsPerImage: publishSecondsPerImage(values, job.megapixels),
    idleSeconds: values.idle_seconds,
    // As docs/scale.md tells to set it: with room for shards that are being published.
    mapConcurrency: Math.min(quotas.map_concurrency.value, Math.max(50, 2 * fleet.machines)),
    submitsPerSecond: quotas.submit_jobs_per_second.value,
    imagesPerSecondAtMost: s3 * prefixes,
    machineStartSpread: values.machine_start_spread,
    shardSpread: values.shard_spread,
    interruptionsPerHour: fleet.spot ? values.spot_interruptions_per_hour : 0,
    spotWaitSeconds: values.spot_wait_seconds,
    lostSeconds: values.lost_seconds,
    attempts: 5,
    seed,
    ...job.change,
  };
}

/** Time and money of a job: machines from the simulation, all else by the same prices as `clustseg estimate`. */
export function cost(figures: Figures, prices: Prices, job: Job): Costed {
  const values = valuesOf(figures);
  const scenario = scenarioOf(figures, prices, job);
  const simulated = simulate(scenario);
  const { images, fleet } = job;
  const { shards } = simulated;
  const runs = Math.ceil(images / imagesOfARun(figures, values, job.shardImages, planning));
  const price = prices.machines[fleet.machine]!;

  const machines = (simulated.machineSeconds / 3600) * (fleet.spot ? price.spot_hour : price.on_demand_hour);
  // A listing costs what a PUT does.
  const puts = images * (values.puts_per_image + 1 / 1000) + shards * (values.puts_per_shard + values.lists_per_shard);
  const reads =
    images * (values.gets_per_image + values.heads_per_image) +
    shards * (values.gets_per_shard + values.heads_per_shard);
  const requests = (puts * prices.puts_per_1000 + reads * prices.gets_per_1000) / 1000;
  const gbSeconds =
    values.lambda_gb *
    (images * scenario.publishSecondsPerImage + runs * (scenario.planSeconds + scenario.summarizeSeconds));
  const transitions = runs * values.transitions_per_run + shards * values.transitions_per_shard;
  const functions = gbSeconds * prices.lambda_gb_second + (transitions * prices.transitions_per_1000) / 1000;
  const logs = ((images * prices.use.log_bytes_per_image) / 1024 ** 3) * prices.logs_gb;
  const total = machines + requests + functions + logs;
  return {
    ...simulated,
    runs,
    rate: rateOf(prices, job.model, fleet.machine),
    dollars: { machines, requests, functions, logs, total, perThousand: (1000 * total) / images },
  };
}

/** The mean of several seeds; counts are rounded up, so that a rare interruption does not vanish. */
export function meanCost(figures: Figures, prices: Prices, job: Omit<Job, "seed">, seeds: readonly number[]): Costed {
  const all = seeds.map((seed) => cost(figures, prices, { ...job, seed }));
  const [first] = all;
  if (first === undefined) throw new RangeError("there must be a seed at least");
  const mean = (of: (one: Costed) => number) => all.reduce((sum, one) => sum + of(one), 0) / all.length;
  const { machines, requests, functions, logs } = first.dollars;
  return {
    ...first,
    wallSeconds: mean(({ wallSeconds }) => wallSeconds),
    machineSeconds: mean(({ machineSeconds }) => machineSeconds),
    workSeconds: mean(({ workSeconds }) => workSeconds),
    interruptions: mean(({ interruptions }) => interruptions),
    failedShards: mean(({ failedShards }) => failedShards),
    shardSeconds: mean(({ shardSeconds }) => shardSeconds),
    dollars: {
      machines: mean(({ dollars }) => dollars.machines) || machines,
      requests,
      functions,
      logs,
      total: mean(({ dollars }) => dollars.total),
      perThousand: mean(({ dollars }) => dollars.perThousand),
    },
  };
}

export interface ShardChoice {
  readonly shardImages: number;
  readonly shardSeconds: number;
  readonly perThousand: number;
  readonly wallSeconds: number;
  /** Why it may not be taken, where it may not. */
  readonly refused?: string;
}

const tolerances = { dollars: 1.05, time: 1.1 };
/** Longer than this, a job that fails late costs too much of its 60 minutes' limit. */
const mostShardSeconds = 1800;

/**
 * Tries shard sizes and tells the one to take: the smallest that costs little more than the cheapest and takes little longer
 * than the fastest, among those whose job and whose publish stay within half of what they may take. Small, as a small shard is
 * a small loss, and a small job is then not the work of one machine.
 */
export function chooseShard(
  figures: Figures,
  prices: Prices,
  job: Omit<Job, "seed" | "shardImages">,
  sizes: readonly number[],
  seeds: readonly number[],
): { readonly chosen: ShardChoice; readonly tried: readonly ShardChoice[] } {
  const values = valuesOf(figures);
  const publishBudget = figures.quotas.lambda_seconds.value / 2;
  const tried = sizes.map((shardImages): ShardChoice => {
    const { shardSeconds, wallSeconds, dollars } = meanCost(figures, prices, { ...job, shardImages }, seeds);
    const publishing = publishSecondsPerImage(values, job.megapixels) * shardImages;
    const refused =
      publishing > publishBudget
        ? `publish would take ${Math.round(publishing)} s`
        : shardSeconds > mostShardSeconds
          ? `a job would take ${Math.round(shardSeconds)} s`
          : undefined;
    return {
      shardImages,
      shardSeconds,
      wallSeconds,
      perThousand: dollars.perThousand,
      ...(refused === undefined ? {} : { refused }),
    };
  });
  const allowed = tried.filter(({ refused }) => refused === undefined);
  const cheapest = Math.min(...allowed.map(({ perThousand }) => perThousand));
  const fastest = Math.min(...allowed.map(({ wallSeconds }) => wallSeconds));
  const chosen = allowed.find(
    ({ perThousand, wallSeconds }) =>
      perThousand <= cheapest * tolerances.dollars && wallSeconds <= fastest * tolerances.time,
  );
  if (chosen === undefined) throw new RangeError("no shard size is allowed");
  return { chosen, tried };
}
