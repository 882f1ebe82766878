import { ClustsegError } from "../segments/errors.js";
import type { GraphRunner } from "./runner.js";
import type { GraphValue, GraphValues } from "./worker-protocol.js";

/** What a graph of clustseg.bundle/1 can be asked. It is given those of them that it declares as inputs. */
export interface GraphRequest {
  /** RGB, height * width * 3. Its buffer is given away: the array is empty afterwards. */
  readonly image: Uint8Array<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
  /** Index into model.json's tasks. @default 0 */
  readonly task?: number;
  /** How many superpixels, and rows and columns of their seeds. @default 1, for tasks that have none */
  readonly superpixels?: number;
  readonly rows?: number;
  readonly columns?: number;
  /** @default 0 */
  readonly threshold?: number;
  /** @default 0 */
  readonly maskThreshold?: number;
  /** @default false */
  readonly withSteps?: boolean;
}

/** The winner of each pixel at each E-step, at a reduced size. */
export interface GraphSteps {
  readonly steps: number;
  readonly width: number;
  readonly height: number;
  /** Cluster of each pixel, step after step, row-major; `NO_LABEL` = none. */
  readonly frames: Uint16Array;
}

/** What the graph found. */
export interface GraphResult {
  /** The winning cluster of each pixel, height * width; `NO_LABEL` = none. */
  readonly labels: Uint16Array;
  /** Category id and score of each cluster; empty where the graph gives none. */
  readonly classIds: readonly number[];
  readonly scores: Float32Array;
  /** x and y of each cluster's seed in parts of width and height, -1 for those without a place; empty where there are none. */
  readonly seeds: Float32Array;
  /** Only when asked for, of a graph that has them. */
  readonly steps?: GraphSteps;
  /** Milliseconds that the graph ran, without the time in line. */
  readonly ms: number;
}

interface Named {
  readonly name: string;
}

const feeders: Readonly<Record<string, (request: GraphRequest) => GraphValue>> = {
  image: ({ image, width, height }) => ({ type: "uint8", dims: [1, height, width, 3], data: image }),
  task: ({ task = 0 }) => int64(task),
  superpixels: ({ superpixels = 1 }) => int64(superpixels),
  grid: ({ rows = 1, columns = 1 }) => int64(rows, columns),
  threshold: ({ threshold = 0 }) => float32(threshold),
  mask_threshold: ({ maskThreshold = 0 }) => float32(maskThreshold),
  with_steps: ({ withSteps = false }) => int64(withSteps ? 1 : 0),
};

/** The inputs that this version can feed. */
export const knownInputs: readonly string[] = Object.keys(feeders);

/** The tensors that a graph with these inputs is given. */
export function feedsOf(inputs: readonly Named[], request: GraphRequest): GraphValues {
  const feeds: Record<string, GraphValue> = {};
  for (const { name } of inputs) {
    const feeder = feeders[name];
    if (feeder !== undefined) feeds[name] = feeder(request);
  }
  return feeds;
}

/**
 * Runs the graph on one picture.
 * @throws ClustsegError MODEL_OUTPUT_INVALID, or of GraphRunner.run
 */
export async function runGraph(runner: GraphRunner, request: GraphRequest): Promise<GraphResult> {
  const { width, height } = request;
  const { values, ms } = await runner.run(feedsOf(runner.inputs, request));
  const labels = output(values, "labels", "uint16", [1, height, width]) as Uint16Array;
  if (values["class_id"] === undefined && values["score"] === undefined) {
    return { labels, classIds: [], scores: new Float32Array(), ...extras(values, request), ms };
  }
  const classIds = output(values, "class_id", "int64", [1, undefined]) as BigInt64Array;
  const scores = output(values, "score", "float32", [1, classIds.length]) as Float32Array;
  return { labels, classIds: Array.from(classIds, Number), scores, ...extras(values, request), ms };
}

function extras(values: GraphValues, { withSteps = false }: GraphRequest): Pick<GraphResult, "seeds" | "steps"> {
  const seeds =
    values["seeds"] === undefined ? new Float32Array() : output(values, "seeds", "float32", [1, undefined, 2]);
  if (!withSteps || values["steps"] === undefined) return { seeds: seeds as Float32Array };
  const frames = output(values, "steps", "uint16", [1, undefined, undefined, undefined]) as Uint16Array;
  const [, steps = 0, height = 0, width = 0] = values["steps"].dims;
  return { seeds: seeds as Float32Array, steps: { steps, width, height, frames } };
}

/** @param dims undefined where any length will do */
function output(
  values: GraphValues,
  name: string,
  type: string,
  dims: readonly (number | undefined)[],
): GraphValue["data"] {
  const value = values[name];
  const fits = value?.dims.length === dims.length && dims.every((d, i) => d === undefined || d === value.dims[i]);
  if (value !== undefined && value.type === type && fits) return value.data;
  const wanted = `${name} ${type} [${dims.map((d) => d ?? "any").join(", ")}]`;
  const got = value === undefined ? "no such output" : `${value.type} [${value.dims.join(", ")}]`;
  throw new ClustsegError("MODEL_OUTPUT_INVALID", `Expected ${wanted} but received ${got}.`, {
    hint: "Export the bundle again: its graph does not keep the contract of clustseg.bundle/1.",
  });
}

function int64(...values: number[]): GraphValue {
  return { type: "int64", dims: [values.length], data: BigInt64Array.from(values, BigInt) };
}

function float32(value: number): GraphValue {
  return { type: "float32", dims: [1], data: Float32Array.of(value) };
}
