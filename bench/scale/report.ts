import { type Prices, rateOf } from "../../bin/cloud/prices.js";
import { table } from "../support/figures.js";
import { drawChart } from "./chart.js";
import { type Costed, chooseShard, type Fleet, meanCost, type ShardChoice, secondsPerImage } from "./cost.js";
import { type Figures, valuesOf } from "./figures.js";
import { imagesOfARun, type Limit, limitsOf, type Planning } from "./limits.js";
import { duration, marksAround, money, shortCount } from "./units.js";

/** What is asked of the simulation. */
export interface Question {
  readonly model: string;
  /** Of one image. */
  readonly megapixels: number;
  readonly images: readonly number[];
  /** Fleets: so many machines at most. */
  readonly machines: readonly number[];
  /** Folders that keys are spread over. */
  readonly prefixes: number;
  /** Machines of the price table. */
  readonly gpu: string;
  readonly cpu: string;
  readonly seeds: readonly number[];
}

export const usualQuestion: Question = {
  model: "clustseg-superpixel",
  megapixels: 1,
  images: [1e3, 1e4, 1e5, 1e6, 1e7, 1e8],
  machines: [4, 50, 500],
  prefixes: 10,
  gpu: "g4dn.xlarge",
  cpu: "c7i.xlarge",
  seeds: [1, 2, 3],
};

export type ScaleRun = Costed & { readonly kind: string; readonly fleet: number; readonly images: number };
type Kind = Omit<Fleet, "machines">;

export interface ScaleReport {
  readonly shards: readonly {
    readonly kind: Kind;
    readonly chosen: ShardChoice;
    readonly tried: readonly ShardChoice[];
  }[];
  readonly runs: readonly ScaleRun[];
  readonly limits: readonly Limit[];
  /** Images of one run at most, by how they are found. */
  readonly largest: Readonly<Record<string, number>>;
  /** By the name of their place in docs/scale.md. */
  readonly tables: Readonly<Record<string, string>>;
  /** By the name of their file in docs/images. */
  readonly pictures: Readonly<Record<string, string>>;
}

/** Images in a shard that are tried. */
export const shardSizes = [64, 125, 250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000];
/** What shard sizes are tried on: so many images that no machine is without a shard, whatever its size. */
const shardTrial = { images: 2_000_000, machines: 10 };
/** Often enough to be seen beside what is assumed: a bad region on a bad day. */
const manyInterruptions = 0.5;

/** All of docs/scale.md that is worked out. The same question, figures and prices give the same report. */
export function scaleReport(figures: Figures, prices: Prices, question: Question): ScaleReport {
  const { model, megapixels, images, machines, prefixes, seeds } = question;
  const values = valuesOf(figures);
  const kinds: readonly Kind[] = [
    { name: "GPU Spot", machine: question.gpu, spot: true },
    { name: "GPU On-Demand", machine: question.gpu, spot: false },
    { name: "CPU Spot", machine: question.cpu, spot: true },
    { name: "CPU On-Demand", machine: question.cpu, spot: false },
  ];
  const [gpu] = kinds as [Kind];
  const sorted = [...machines].sort((a, b) => a - b);
  const most = sorted.at(-1)!;
  const jobOf = (kind: Kind, fleet: number, many: number) => ({
    images: many,
    megapixels,
    model,
    prefixes,
    fleet: { ...kind, machines: fleet },
  });

  const shards = kinds.map((kind) => ({
    kind,
    ...chooseShard(figures, prices, jobOf(kind, shardTrial.machines, shardTrial.images), shardSizes, seeds),
  }));
  const shardOf = new Map(shards.map(({ kind, chosen }) => [kind.name, chosen.shardImages]));
  const runs = kinds.flatMap((kind) =>
    sorted.flatMap((fleet) =>
      images.map((many): ScaleRun => {
        const job = { ...jobOf(kind, fleet, many), shardImages: shardOf.get(kind.name)! };
        return { kind: kind.name, fleet, images: many, ...meanCost(figures, prices, job, seeds) };
      }),
    ),
  );

  const shardImages = shardOf.get(gpu.name)!;
  const mostOf = (planning: Planning) => imagesOfARun(figures, values, shardImages, planning);
  const largest = {
    "a listing": mostOf({ source: "listing", checked: false }),
    "an inventory": mostOf({ source: "inventory", checked: false }),
    "a listing, each with a result already": mostOf({ source: "listing", checked: true }),
    "an inventory, each with a result already": mostOf({ source: "inventory", checked: true }),
  };
  const limits = limitsOf(figures, values, {
    images: largest["a listing"],
    shardImages,
    machines: most,
    vcpusPerMachine: 4,
    secondsPerImage: secondsPerImage(rateOf(prices, model, gpu.machine), megapixels),
    megapixels,
    planning: { source: "listing", checked: false },
  });

  const pointsOf = (kind: string, fleet: number, of: (run: ScaleRun) => number) =>
    runs.filter((run) => run.kind === kind && run.fleet === fleet).map((run) => [run.images, of(run)] as const);
  const shardLines = [0, values.spot_interruptions_per_hour, manyInterruptions].map((rate) => ({
    name: rate === 0 ? "never taken back" : `${rate} times an hour`,
    dashed: rate === 0,
    points: shardSizes.map((size) => {
      const job = { ...jobOf(gpu, shardTrial.machines, shardTrial.images), shardImages: size };
      const { dollars } = meanCost(figures, prices, { ...job, change: { interruptionsPerHour: rate } }, seeds);
      return [size, dollars.perThousand] as const;
    }),
  }));
  return {
    shards,
    runs,
    limits,
    largest,
    tables: {
      shards: shardTable(),
      "shard sizes": sizeTable(),
      runs: runTable(),
      limits: limitTable(),
      largest: table(
        ["the images are found by", "at most in one run"],
        Object.entries(largest).map(([source, many]) => [source, shortCount(many)]),
      ),
    },
    pictures: {
      "scale-time.svg": drawChart({
        title: "From submit to report",
        x: "images",
        y: "time",
        lines: [...new Set([sorted[0]!, most])].flatMap((fleet, i) =>
          kinds
            .filter(({ spot }) => spot)
            .map(({ name }) => ({
              name: `${name}, ${fleet}`,
              dashed: i > 0,
              points: pointsOf(name, fleet, ({ wallSeconds }) => wallSeconds / 3600),
            })),
        ),
        formatX: shortCount,
        formatY: (hours) => duration(hours * 3600),
        marksX: images,
        marksY: [1 / 12, 1 / 2, 2, 8, 24, 24 * 7, 24 * 30],
      }),
      "scale-dollars.svg": drawChart({
        title: `All of it, on at most ${sorted[0]} machines`,
        x: "images",
        y: "dollars per 1,000 images",
        lines: kinds.map(({ name, spot }) => ({
          name,
          dashed: !spot,
          points: pointsOf(name, sorted[0]!, ({ dollars }) => dollars.perThousand),
        })),
        formatX: shortCount,
        formatY: money,
        marksX: images,
        marksY: marksAround(runs.filter(({ fleet }) => fleet === sorted[0]).map(({ dollars }) => dollars.perThousand)),
      }),
      "scale-shards.svg": drawChart({
        title: `${gpu.name}: ${shortCount(shardTrial.images)} images on ${shardTrial.machines} machines`,
        x: "images in a shard",
        y: "dollars per 1,000 images",
        lines: shardLines,
        formatX: shortCount,
        formatY: money,
        marksX: shardSizes,
        marksY: marksAround(shardLines.flatMap(({ points }) => points.map(([, dollars]) => dollars))),
      }),
    },
  };

  function shardTable(): string {
    return table(
      ["machines", "images/s of one", "which is", "images in a shard", "seconds of work", "dollars per 1,000"],
      shards.map(({ kind: { name, machine }, chosen }) => {
        const rate = rateOf(prices, model, machine);
        return [
          `${name} (${machine})`,
          (1 / secondsPerImage(rate, megapixels)).toPrecision(2),
          rate.basis,
          chosen.shardImages,
          Math.round(chosen.shardSeconds),
          money(chosen.perThousand),
        ];
      }),
    );
  }

  function sizeTable(): string {
    const [first] = shards;
    return table(
      [
        "images in a shard",
        "seconds of work",
        `${shortCount(shardTrial.images)} images on ${shardTrial.machines} machines`,
        "dollars per 1,000",
        "",
      ],
      first!.tried.map((one) => [
        one.shardImages,
        one.shardSeconds.toPrecision(3),
        duration(one.wallSeconds),
        money(one.perThousand),
        one.refused ?? (one.shardImages === first!.chosen.shardImages ? "taken" : ""),
      ]),
    );
  }

  function runTable(): string {
    return table(
      ["machines", "at most", ...images.map(shortCount)],
      kinds.flatMap(({ name }) =>
        sorted.map((fleet) => [
          name,
          fleet,
          ...runs
            .filter((run) => run.kind === name && run.fleet === fleet)
            .map(({ wallSeconds, dollars }) => `${duration(wallSeconds)}, ${money(dollars.total)}`),
        ]),
      ),
    );
  }

  function limitTable(): string {
    return table(
      ["quota", "limit", "binds at", "of", "the limit is"],
      limits.map(({ quota, unit, limit, at, by }) => [
        unit,
        limit.toLocaleString("en-US"),
        shortCount(at),
        by,
        figures.quotas[quota].basis,
      ]),
    );
  }
}

/**
 * Put tables in their places: between `<!-- NAME -->` and `<!-- end NAME -->`.
 * @throws Error when a place is not there
 */
export function fillPlaces(text: string, tables: Readonly<Record<string, string>>): string {
  let filled = text;
  for (const [name, content] of Object.entries(tables)) {
    const [begin, end] = [`<!-- ${name} -->`, `<!-- end ${name} -->`];
    const [from, to] = [filled.indexOf(begin), filled.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`there is no place for "${name}"`);
    filled = `${filled.slice(0, from + begin.length)}\n${content}\n${filled.slice(to)}`;
  }
  return filled;
}
