import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { BundleManifest, Task } from "../../layers/model/bundle.js";
import { buildGraph, type GraphBuilder, type TensorInfo } from "./onnx.js";

/**
 * Bundles of all tasks whose graph reads what it finds from the picture, so that a test can say what is to be found: a pixel's
 * red is its cluster (`NONE` and above: none), its green / 255 is the winner's probability. It looks at no pixel's neighbours,
 * so that cutting a picture into tiles changes nothing, and keeps to the contract of clustseg.bundle/1 in all else.
 */
export const NONE = 200;

/** Classes: 0 background, 1 grass, 2 cell, 3 cow. */
export const classes: BundleManifest["classes"] = [
  { id: 0, name: "background", isthing: false, color: [0, 0, 0] },
  { id: 1, name: "grass", isthing: false, color: [0, 128, 0] },
  { id: 2, name: "cell", isthing: true, color: [128, 0, 0] },
  { id: 7, name: "cow", isthing: true, color: [64, 128, 128] },
];

const K = 100;
/** Class of each cluster: 0 and 1 are stuff, 2 .. 59 cells, the others cows. */
export const classOf = (cluster: number): number => (cluster < 2 ? cluster : cluster < 60 ? 2 : 7);
/** Score of each cluster: stuff .9, things from .3 to .995, so that a cluster's number tells it. */
export const scoreOf = (cluster: number): number => (cluster < 2 ? 0.9 : (3000 + (cluster % 40) * 175) / 10_000);
/** Where the seeds of things are said to be. */
export const seedOf = (cluster: number): readonly [number, number] =>
  cluster < 2 ? [-1, -1] : [(cluster % 10) / 10, Math.floor(cluster / 10) / 10];
/** E-steps, when asked for. */
export const STEPS = 3;

export interface MaskBundleOptions {
  readonly tasks?: readonly Task[];
  readonly input?: Partial<BundleManifest["input"]>;
  readonly defaults?: Partial<BundleManifest["defaults"]>;
  /** @default true */
  readonly steps?: boolean;
  /** Does the graph take `threshold` and `mask_threshold`? @default true */
  readonly thresholds?: boolean;
}

/** Writes a bundle into a folder of its own; `remove` it afterwards. */
export async function maskBundle(options: MaskBundleOptions = {}) {
  const { tasks = ["panoptic", "semantic", "instance", "superpixel"], steps = true, thresholds = true } = options;
  const folder = await mkdtemp(path.join(tmpdir(), "clustseg-masks-"));
  const { graph, inputs, outputs } = readingGraph(tasks, steps, thresholds);
  const manifest = {
    schema: "clustseg.bundle/1",
    name: "reads-colours",
    version: "1.0.0",
    tasks,
    graph: {
      file: "model.onnx",
      sha256: createHash("sha256").update(graph).digest("hex"),
      bytes: graph.length,
      precision: "fp32",
      opset: 17,
      inputs,
      outputs,
    },
    classes,
    input: {
      color: "RGB",
      multiple: 1,
      min_side: 1,
      cell_size: { min: 1, max: 48 },
      tile: { max_pixels: 100_000, overlap_cells: 1 },
      ...options.input,
    },
    defaults: {
      superpixels: 12,
      min_area_ratio: 0,
      threshold: 0,
      mask_threshold: 0,
      overlap_threshold: 0,
      min_area: 0,
      ...options.defaults,
    },
    calibration: { temperature: 1.5 },
    training: { data: "none", split: "none", terms: "none" },
    metrics: [],
    licence: "Apache-2.0",
    limits: [],
  };
  await writeFile(path.join(folder, "model.onnx"), graph);
  await writeFile(path.join(folder, "model.json"), JSON.stringify(manifest));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** A picture in which each pixel has a cluster, and a probability for it. */
export function pictureOf(
  width: number,
  height: number,
  clusterAt: (x: number, y: number) => number,
  probabilityAt: (x: number, y: number) => number = () => 1,
): Uint8Array<ArrayBuffer> {
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i += 3) {
      rgb[i] = clusterAt(x, y);
      rgb[i + 1] = Math.round(255 * probabilityAt(x, y));
    }
  }
  return rgb;
}

const range = <T>(count: number, value: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => value(i));

function readingGraph(tasks: readonly Task[], steps: boolean, thresholds: boolean) {
  const inputs: TensorInfo[] = [
    { name: "image", type: "uint8", shape: ["N", "H", "W", 3] },
    ...(tasks.length > 1 ? [{ name: "task", type: "int64", shape: [1] } as const] : []),
    ...(tasks.includes("superpixel")
      ? ([
          { name: "superpixels", type: "int64", shape: [1] },
          { name: "grid", type: "int64", shape: [2] },
        ] as const)
      : []),
    ...(thresholds
      ? ([
          { name: "threshold", type: "float32", shape: [1] },
          { name: "mask_threshold", type: "float32", shape: [1] },
        ] as const)
      : []),
    ...(steps ? [{ name: "with_steps", type: "int64", shape: [1] } as const] : []),
  ];
  const outputs: TensorInfo[] = [
    { name: "labels", type: "uint16", shape: ["N", "H", "W"] },
    { name: "class_id", type: "int64", shape: ["N", "K"] },
    { name: "score", type: "float32", shape: ["N", "K"] },
    ...(steps
      ? ([
          { name: "seeds", type: "float32", shape: ["N", "K", 2] },
          { name: "steps", type: "uint16", shape: ["N", "S", "h", "w"] },
        ] as const)
      : []),
  ];
  const g = buildGraph(inputs);
  const isTask = (task: Task): string => {
    if (tasks.length === 1) return g.constant("bool", [tasks[0] === task ? 1 : 0]);
    return g.op("Equal", ["task", g.constant("int64", [tasks.indexOf(task)])]);
  };
  const labels = labelsOf(g, { isTask, tasks, thresholds });
  const [labelInfo, classInfo, scoreInfo, seedInfo, stepInfo] = outputs;
  g.output(labelInfo!, g.op("Cast", [labels], { to: 4 }));
  const idOf = (i: number): number => classes[i]?.id ?? -1;
  const semantic = isTask("semantic");
  const choice = (type: "int64" | "float32", ofClass: (i: number) => number, ofCluster: (i: number) => number) =>
    g.op("Where", [
      semantic,
      g.constant(type, range(K, ofClass), [1, K]),
      g.constant(type, range(K, ofCluster), [1, K]),
    ]);
  g.output(classInfo!, choice("int64", idOf, classOf));
  g.output(
    scoreInfo!,
    choice("float32", (i) => (i < classes.length ? 0.8 + i / 100 : 0), scoreOf),
  );
  if (seedInfo !== undefined && stepInfo !== undefined) {
    g.output(seedInfo, g.constant("float32", range(K, seedOf).flat(), [1, K, 2]));
    const two = g.constant("int64", [2, 2]);
    const from = g.constant("int64", [0, 0]);
    const to = g.constant("int64", [2 ** 31 - 1, 2 ** 31 - 1]);
    const half = g.op("Slice", [labels, from, to, g.constant("int64", [1, 2]), two]);
    const one = g.constant("int64", [1]);
    const count = g.op("Mul", ["with_steps", g.constant("int64", [STEPS])]);
    const repeats = g.op("Concat", [one, count, one, one], { axis: 0 });
    const tiled = g.op("Tile", [g.op("Unsqueeze", [half, one]), repeats]);
    g.output(stepInfo, g.op("Cast", [tiled], { to: 4 }));
  }
  return { graph: g.bytes(), inputs, outputs };
}

interface Wanted {
  readonly isTask: (task: Task) => string;
  readonly tasks: readonly Task[];
  readonly thresholds: boolean;
}

/** int32 [N, H, W], 65,535 = none. */
function labelsOf(g: GraphBuilder, { isTask, tasks, thresholds }: Wanted): string {
  const channel = (index: number): string =>
    g.op("Cast", [g.op("Gather", ["image", g.constant("int64", [index], [])], { axis: 3 })], { to: 6 });
  const cluster = channel(0);
  const table = (type: "int32" | "float32", value: (cluster: number) => number): string =>
    g.op("Gather", [
      g.constant(
        type,
        range(256, (i) => (i < K ? value(i) : 0)),
      ),
      cluster,
    ]);
  let visible = g.op("Less", [cluster, g.constant("int32", [NONE])]);
  const semantic = isTask("semantic");
  if (thresholds) {
    const countable = g.op("And", [
      g.op("Greater", [table("int32", (i) => (i < 2 ? 0 : 1)), g.constant("int32", [0])]),
      g.op("Not", [semantic]),
    ]);
    const sure = g.op("GreaterOrEqual", [table("float32", scoreOf), "threshold"]);
    const probability = g.op("Div", [g.op("Cast", [channel(1)], { to: 1 }), g.constant("float32", [255])]);
    visible = g.op("And", [visible, g.op("Or", [g.op("Not", [countable]), sure])]);
    visible = g.op("And", [visible, g.op("GreaterOrEqual", [probability, "mask_threshold"])]);
  }
  const ofClass = table("int32", (i) => classes.findIndex(({ id }) => id === classOf(i)));
  const masks = g.op("Where", [visible, g.op("Where", [semantic, ofClass, cluster]), g.constant("int32", [65_535])]);
  return tasks.includes("superpixel") ? g.op("Where", [isTask("superpixel"), gridLabels(g), masks]) : masks;
}

/** The cell of a regular grid that each pixel lies in, [1, H, W]. */
function gridLabels(g: GraphBuilder): string {
  const [zero, one] = [g.constant("int64", [0], []), g.constant("int64", [1], [])];
  const shape = g.op("Shape", ["image"]);
  const cell = (axis: number, index: string, dims: readonly number[]): string => {
    const length = g.op("Gather", [shape, g.constant("int64", [axis], [])]);
    const parts = g.op("Gather", ["grid", index]);
    const places = g.op("Div", [g.op("Mul", [g.op("Range", [zero, length, one]), parts]), length]);
    return g.op("Reshape", [places, g.constant("int64", dims)]);
  };
  const rows = g.op("Mul", [cell(1, zero, [1, -1, 1]), g.op("Gather", ["grid", one])]);
  return g.op("Cast", [g.op("Add", [rows, cell(2, one, [1, 1, -1])])], { to: 6 });
}
