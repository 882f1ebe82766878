import type { SegmentClass } from "./table.js";

/** The clusters converging: which cluster has each pixel at each E-step, from the seeds to the result. */
export interface ClusterSteps {
  readonly steps: number;
  /** Size of the frames: the image's, reduced. */
  readonly width: number;
  readonly height: number;
  /** Cluster of each pixel, step after step, row-major; `NO_LABEL` = none. */
  readonly frames: Uint16Array;
  /** By cluster: x and y of its seed in parts of the frame (0..1); undefined for the centres of classes, which have no place. */
  readonly seeds: readonly (readonly [x: number, y: number] | undefined)[];
  /** By cluster: what it was said to be; undefined where that is nothing, as it is for superpixels. */
  readonly clusters: readonly (Pick<SegmentClass, "categoryId" | "score"> | undefined)[];
}

/** steps.json, schema clustseg.steps/1: what goes with the frames in steps.png. Numbers are rounded to four digits. */
export function stepsToJson({ width, height, steps, seeds, clusters }: ClusterSteps): string {
  const document = {
    schema: "clustseg.steps/1",
    width,
    height,
    steps,
    seeds: seeds.map((seed) => (seed === undefined ? null : seed.map(rounded))),
    clusters: clusters.map((cluster) =>
      cluster === undefined ? null : { category_id: cluster.categoryId, score: rounded(cluster.score) },
    ),
  };
  return `${JSON.stringify(document)}\n`;
}

function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
