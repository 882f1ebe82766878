// @ts-check
// The thread that owns the onnxruntime session: session.run blocks its thread for as long as it takes.
//
// Plain JavaScript on purpose. A worker is started by file name, so the same file must be there beside runner.ts when tests run
// the TypeScript sources, and beside the bundle in dist/ (the build copies or bundles it to dist/worker.js). Being
// JavaScript it runs in both places as it is; its types are checked by JSDoc.

import { parentPort, workerData } from "node:worker_threads";
import { env, InferenceSession, Tensor } from "onnxruntime-node";

/**
 * @typedef {import("./worker-protocol.js").WorkerStart} WorkerStart
 * @typedef {import("./worker-protocol.js").WorkerRequest} WorkerRequest
 * @typedef {import("./worker-protocol.js").WorkerReply} WorkerReply
 * @typedef {import("./worker-protocol.js").GraphValue} GraphValue
 */

const port = parentPort;
if (port === null) throw new Error("worker.js is started by runner.ts, as a worker thread");

// What goes wrong comes back as a reply; onnxruntime would also print it to stderr.
env.logLevel = "fatal";

/** @type {(message: WorkerReply, transfer?: ArrayBuffer[]) => void} */
const reply = (message, transfer = []) => port.postMessage(message, transfer);

/** @type {(error: unknown) => string} */
const reasonOf = (error) => (error instanceof Error ? error.message : String(error));

/** @param {WorkerStart} start */
async function open(start) {
  /** @type {{ provider: "cpu" | "cuda", reason: string }[]} */
  const refused = [];
  for (const provider of start.executionProviders) {
    try {
      const session = await InferenceSession.create(start.graph, {
        executionProviders: [provider],
        intraOpNumThreads: start.threads,
        interOpNumThreads: 1,
        executionMode: "sequential",
        graphOptimizationLevel: "all",
        // Memory patterns are planned and kept for every input shape, and here each image may have another.
        enableMemPattern: false,
        // Threads that spin while they wait for each other burn the core that decoding and encoding need: per image 175 ms
        // of CPU time with it and 100 ms without, on two cores.
        extra: { session: { intra_op: { allow_spinning: "0" } } },
        logSeverityLevel: 4,
      });
      return { session, provider, refused };
    } catch (error) {
      refused.push({ provider, reason: reasonOf(error) });
    }
  }
  reply({ kind: "refused", refused });
  return undefined;
}

/** @type {(tensors: readonly InferenceSession.ValueMetadata[]) => { name: string, type: string, shape: (number | string)[] }[]} */
const described = (tensors) =>
  tensors.map((tensor) =>
    tensor.isTensor
      ? { name: tensor.name, type: tensor.type, shape: [...tensor.shape] }
      : { name: tensor.name, type: "not a tensor", shape: [] },
  );

/** @type {(session: InferenceSession, request: Extract<WorkerRequest, { kind: "run" }>) => Promise<void>} */
async function run(session, { id, feeds }) {
  try {
    /** @type {Record<string, Tensor>} */
    const tensors = {};
    for (const [name, { type, dims, data }] of Object.entries(feeds)) {
      // Their types are pairs of a name and its kind of array, which a value that came by message does not know of.
      tensors[name] = new Tensor(/** @type {"uint8"} */ (type), /** @type {Uint8Array} */ (data), dims);
    }
    const begin = performance.now();
    const outputs = await session.run(tensors);
    const ms = performance.now() - begin;
    /** @type {Record<string, GraphValue>} */
    const values = {};
    /** @type {Set<ArrayBuffer>} */
    const buffers = new Set();
    for (const [name, { type, dims, data }] of Object.entries(outputs)) {
      const array = /** @type {Uint8Array<ArrayBuffer>} */ (data);
      values[name] = { type, dims, data: array };
      buffers.add(array.buffer);
    }
    reply({ kind: "values", id, values, ms }, [...buffers]);
  } catch (error) {
    reply({ kind: "failed", id, reason: reasonOf(error) });
  }
}

const opened = await open(/** @type {WorkerStart} */ (workerData));
if (opened !== undefined) {
  const { session, provider, refused } = opened;
  // One after the other: a session that runs uses all its threads anyway.
  let last = Promise.resolve();
  port.on("message", (/** @type {WorkerRequest} */ request) => {
    last = last.then(async () => {
      if (request.kind === "run") return run(session, request);
      await session.release();
      port.close();
    });
  });
  reply({
    kind: "ready",
    provider,
    refused,
    inputs: described(session.inputMetadata),
    outputs: described(session.outputMetadata),
  });
}
