import type { Figures, QuotaName, Values } from "./figures.js";

/** What a run asks of AWS while it is in full swing, and in all. */
export interface Demand {
  readonly images: number;
  readonly shardImages: number;
  readonly machines: number;
  readonly vcpusPerMachine: number;
  /** Of one machine, while it works. */
  readonly secondsPerImage: number;
  /** Of one image. */
  readonly megapixels: number;
  readonly planning: Planning;
}

export interface Limit {
  readonly quota: QuotaName;
  readonly limit: number;
  readonly unit: string;
  /** How much of it this demand takes. */
  readonly demand: number;
  /** 1: all of it. */
  readonly share: number;
  /**
   * Where it binds: so many machines (rates grow with them), or so many images in one run (counts grow with them); infinite
   * when it does not grow with either.
   */
  readonly at: number;
  readonly by: "machines" | "images in a run" | "neither";
}

export interface Planning {
  readonly source: "listing" | "inventory";
  /** Are there results already, so that each image's is looked at? */
  readonly checked: boolean;
}

/** Seconds that plan's one call of Lambda takes: pages of 1,000 keys, one after the other, and its own work. */
export function planSeconds(values: Values, images: number, { source, checked }: Planning): number {
  const listing = source === "listing" ? (images / 1000) * values.s3_list_page_seconds : 0;
  const each = source === "listing" ? values.plan_us_per_image : values.plan_inventory_us_per_image;
  const own = (images * each * values.lambda_slowdown) / 1e6;
  // A GET of each result's first bytes and a HEAD of its mask.
  const checking = checked ? (2 * images * values.s3_request_seconds) / values.plan_at_once : 0;
  return 1 + listing + own + checking;
}

/** Seconds that summarize's one call takes: a read a shard, one after the other, and its own work. */
export function summarizeSeconds(values: Values, images: number, shards: number): number {
  const reading = shards * values.s3_request_seconds;
  // Shards, outcomes and counts of a run that is complete are deleted, 16 at once.
  const deleting = (3 * shards * values.s3_request_seconds) / 16;
  return 1 + reading + deleting + (images * values.summarize_us_per_image * values.lambda_slowdown) / 1e6;
}

/** Seconds that publish takes for an image: its requests to S3, or its own work, which is to look at every pixel, where that is more. */
export function publishSecondsPerImage(values: Values, megapixels: number): number {
  const requests = values.results_puts_per_image + 1;
  const waiting = (requests * values.s3_request_seconds) / values.publish_at_once;
  const own = values.publish_ms_per_image + values.publish_ms_per_megapixel * megapixels;
  return Math.max(waiting, (own * values.lambda_slowdown) / 1000);
}

/** The most images that one run can have: then plan or summarize would need more than a call of Lambda may take. */
export function imagesOfARun({ quotas }: Figures, values: Values, shardImages: number, planning: Planning): number {
  const budget = quotas.lambda_seconds.value;
  const fits = (images: number) =>
    planSeconds(values, images, planning) <= budget &&
    summarizeSeconds(values, images, Math.ceil(images / shardImages)) <= budget &&
    images / shardImages <= quotas.map_output_bytes.value / 3;
  let [low, high] = [1, 2 ** 40];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** Each quota beside what is asked of it, the most pressing first. */
export function limitsOf(figures: Figures, values: Values, demand: Demand): Limit[] {
  const { images, shardImages, machines, vcpusPerMachine, secondsPerImage, megapixels } = demand;
  const shards = Math.ceil(images / shardImages);
  const perMachine = 1 / secondsPerImage;
  const shardsPerMachineSecond = perMachine / shardImages;
  const publishing = publishSecondsPerImage(values, megapixels) * shardImages;
  const growing = (quota: QuotaName, each: number): Limit => entry(quota, each * machines, "machines", machines);
  const adding = (quota: QuotaName, sum: number): Limit => entry(quota, sum, "images in a run", images);
  const entry = (quota: QuotaName, asked: number, by: Limit["by"], of: number): Limit => {
    const { value: limit, unit } = figures.quotas[quota];
    const share = asked / limit;
    return {
      quota,
      limit,
      unit,
      demand: asked,
      share,
      at: by === "neither" ? Number.POSITIVE_INFINITY : of / share,
      by,
    };
  };
  return [
    growing("gpu_vcpus", vcpusPerMachine),
    growing("max_vcpus", vcpusPerMachine),
    // One place for the machine, and one for the shard that is being published meanwhile.
    growing("map_concurrency_configured", 1 + publishing * shardsPerMachineSecond),
    growing("map_concurrency", 1 + publishing * shardsPerMachineSecond),
    growing("submit_jobs_per_second", shardsPerMachineSecond),
    growing("transitions_per_second", shardsPerMachineSecond * values.transitions_per_shard),
    growing("lambda_concurrency", shardsPerMachineSecond * publishing),
    growing("s3_puts_per_second", perMachine * values.results_puts_per_image),
    growing("s3_gets_per_second", perMachine * values.uploads_gets_per_image),
    adding("map_output_bytes", 3 * shards),
    adding(
      "lambda_seconds",
      Math.max(planSeconds(values, images, demand.planning), summarizeSeconds(values, images, shards)),
    ),
  ].sort((a, b) => b.share - a.share);
}
