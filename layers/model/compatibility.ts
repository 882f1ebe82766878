import { ClustsegError } from "../segments/errors.js";
import { type BundleManifest, hasClasses } from "./bundle.js";
import { knownInputs } from "./graph.js";
import type { GraphRunner } from "./runner.js";
import type { GraphTensor } from "./worker-protocol.js";

/**
 * Can this version run a bundle that says this of itself?
 * @throws ClustsegError MODEL_INCOMPATIBLE
 */
export function assertSupported({ name, tasks, input, graph }: BundleManifest): void {
  const { multiple, min_side: side } = input;
  if (multiple !== 1 || side !== 1) {
    throw incompatible(
      `${name} needs padded images (multiple ${multiple}, min_side ${side}).`,
      "Export the bundle again with the padding inside its graph, and 1 for both.",
    );
  }
  const unknown = graph.inputs.map((tensor) => tensor.name).filter((input) => !knownInputs.includes(input));
  if (unknown.length > 0) {
    const hint = "It may be for a newer clustseg; what this one feeds is in docs/architecture.md.";
    throw incompatible(`The graph of ${name} has inputs that nothing is known of: ${unknown.join(", ")}.`, hint);
  }
  const needed = ["labels", ...(tasks.some(hasClasses) ? ["class_id", "score"] : [])];
  const missing = needed.filter((output) => !graph.outputs.some((tensor) => tensor.name === output));
  if (missing.length === 0) return;
  throw incompatible(`The graph of ${name} has no output ${missing.join(", ")}.`, "Export the bundle again.");
}

/**
 * Is the graph the one that model.json describes?
 * @throws ClustsegError MODEL_INCOMPATIBLE
 */
export function assertRunnable({ graph }: BundleManifest, runner: GraphRunner): void {
  assertDeclared("inputs", graph.inputs, runner.inputs);
  assertDeclared("outputs", graph.outputs, runner.outputs);
}

/** A size that model.json leaves open may be anything in the graph: onnxruntime also finds out sizes that were not stated. */
function assertDeclared(
  which: "inputs" | "outputs",
  declared: BundleManifest["graph"]["inputs"],
  actual: GraphRunner["inputs"],
): void {
  const found = new Map(actual.map((tensor) => [tensor.name, tensor]));
  const fits = ({ name, type, shape }: GraphTensor): boolean => {
    const other = found.get(name);
    const sized = (size: number | string, i: number) =>
      typeof size === "string" || typeof other?.shape[i] === "string" || size === other?.shape[i];
    return other?.type === type && other.shape.length === shape.length && shape.every(sized);
  };
  if (declared.length === actual.length && declared.every(fits)) return;
  const hint = "Export the bundle again: its graph and its model.json do not belong together.";
  throw incompatible(`The graph's ${which} are ${listed(actual)}, but model.json says ${listed(declared)}.`, hint);
}

function listed(tensors: readonly GraphTensor[]): string {
  const texts = tensors.map(({ name, type, shape }) => `${name} ${type} [${shape.join(", ")}]`);
  return texts.sort().join(", ");
}

function incompatible(message: string, hint: string): ClustsegError {
  return new ClustsegError("MODEL_INCOMPATIBLE", message, { hint });
}
