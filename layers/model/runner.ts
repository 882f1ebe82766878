import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { ClustsegError } from "../segments/errors.js";
import { whyNoCuda } from "./cuda.js";
import type { GraphTensor, GraphValues, WorkerReply, WorkerRequest, WorkerStart } from "./worker-protocol.js";

export type ExecutionProvider = "cpu" | "cuda";

export interface RefusedProvider {
  readonly provider: ExecutionProvider;
  readonly reason: string;
}

export interface RunnerOptions {
  /** Threads of onnxruntime inside one run. @default all cores */
  readonly threads?: number;
  /** Tried in this order; the first that opens is used. @default ["cpu"] */
  readonly executionProviders?: readonly ExecutionProvider[];
  /** The worker's file. For tests. @default worker.js beside this module */
  readonly worker?: URL;
}

export interface GraphRun {
  /** All outputs of the graph. */
  readonly values: GraphValues;
  /** Milliseconds that the graph ran, without the time in line. */
  readonly ms: number;
}

/** A graph that runs in a thread of its own. */
export interface GraphRunner {
  /** The provider that was opened, and those before it in the list that were not. */
  readonly provider: ExecutionProvider;
  readonly refused: readonly RefusedProvider[];
  readonly inputs: readonly GraphTensor[];
  readonly outputs: readonly GraphTensor[];
  /** Runs that go on at the same time; more than these wait in line. @default 1 */
  readonly workers?: number;
  /**
   * Any graph: what `feeds` has to hold is told by `inputs`. Their buffers are given away: the arrays are empty afterwards.
   * @throws ClustsegError MODEL_RUN_FAILED, MODEL_OUT_OF_MEMORY, MODEL_WORKER_DIED, MODEL_CLOSED
   */
  run(feeds: GraphValues): Promise<GraphRun>;
  /** Waits for the runs under way, then frees the session and its thread. May be called again. */
  close(): Promise<void>;
}

interface Pending {
  /** "640 x 480 pixels" */
  readonly what: string;
  readonly resolve: (run: GraphRun) => void;
  readonly reject: (error: ClustsegError) => void;
}

interface LiveWorker {
  readonly thread: Worker;
  readonly pending: Map<number, Pending>;
  readonly ready: Extract<WorkerReply, { kind: "ready" }>;
  /** Set once the thread has ended, for whatever reason. */
  readonly ended: { value: boolean };
  readonly exit: Promise<void>;
}

/**
 * Opens a graph in ONE worker thread. When that thread dies the runs it had fail with MODEL_WORKER_DIED and the next run
 * starts a new one. An idle runner does not keep the process alive.
 *
 * @param loadGraph gives the verified bytes, each time a thread is started; the buffer is given away
 * @throws ClustsegError MODEL_LOAD_FAILED, MODEL_PROVIDER_UNAVAILABLE, and what `loadGraph` throws
 */
export async function openRunner(
  loadGraph: () => Promise<Uint8Array<ArrayBuffer>>,
  options: RunnerOptions = {},
): Promise<GraphRunner> {
  const start = async (): Promise<LiveWorker> => startWorker(await loadGraph(), options);
  const first = await start();
  let live = first;
  let restarting: Promise<LiveWorker> | undefined;
  let closing: Promise<void> | undefined;
  let nextId = 1;
  const accepted = new Set<Promise<GraphRun>>();

  const restarted = async (): Promise<LiveWorker> => {
    // Whoever comes first starts the new thread; the others wait for the same one.
    restarting ??= start().finally(() => {
      restarting = undefined;
    });
    live = await restarting;
    return live;
  };

  const submit = async (feeds: GraphValues): Promise<GraphRun> => {
    const worker = live.ended.value ? await restarted() : live;
    return new Promise<GraphRun>((resolve, reject) => {
      if (worker.ended.value) return reject(workerDied("it ended before it was given work"));
      const id = nextId++;
      worker.pending.set(id, { what: sizeOf(feeds), resolve, reject });
      worker.thread.ref();
      const message: WorkerRequest = { kind: "run", id, feeds };
      // Each but once: two tensors may lie on one buffer.
      const buffers = new Set(Object.values(feeds).map(({ data }) => data.buffer as ArrayBuffer));
      worker.thread.postMessage(message, [...buffers]);
    });
  };

  return {
    provider: first.ready.provider,
    refused: first.ready.refused,
    inputs: first.ready.inputs,
    outputs: first.ready.outputs,
    async run(feeds) {
      if (closing !== undefined) throw closed();
      const run = submit(feeds);
      accepted.add(run);
      return run.finally(() => accepted.delete(run));
    },
    close() {
      closing ??= (async () => {
        await Promise.allSettled(accepted);
        if (live.ended.value) return;
        live.thread.ref();
        live.thread.postMessage({ kind: "close" } satisfies WorkerRequest);
        await live.exit;
      })();
      return closing;
    },
  };
}

async function startWorker(graph: Uint8Array<ArrayBuffer>, options: RunnerOptions): Promise<LiveWorker> {
  const providers = options.executionProviders ?? ["cpu"];
  const start: WorkerStart = {
    graph,
    threads: options.threads ?? availableParallelism(),
    executionProviders: providers,
  };
  const thread = new Worker(options.worker ?? new URL("./worker.js", import.meta.url), {
    workerData: start,
    transferList: [graph.buffer],
    name: "clustseg-model",
  });
  const pending = new Map<number, Pending>();
  const ended = { value: false };
  let cause: unknown;
  let exited = (): void => {};
  const exit = new Promise<void>((resolve) => {
    exited = resolve;
  });
  const ready = await new Promise<LiveWorker["ready"]>((resolve, reject) => {
    thread.on("message", (reply: WorkerReply) => {
      if (reply.kind === "ready") resolve(reply);
      else if (reply.kind === "refused") reject(refusedError(reply.refused));
      else settle(pending, reply, thread);
    });
    thread.on("error", (error) => {
      cause = error;
    });
    thread.on("messageerror", (error) => {
      cause = error;
      void thread.terminate();
    });
    thread.on("exit", (code) => {
      ended.value = true;
      reject(loadFailed(`its thread ended with code ${code} before it was ready`, cause));
      for (const { reject: fail } of pending.values()) fail(workerDied(`it ended with code ${code}`, cause));
      pending.clear();
      exited();
    });
  });
  thread.unref();
  return { thread, pending, ready, ended, exit };
}

function settle(
  pending: Map<number, Pending>,
  reply: Extract<WorkerReply, { kind: "values" | "failed" }>,
  thread: Worker,
): void {
  const item = pending.get(reply.id);
  if (item === undefined) return;
  pending.delete(reply.id);
  if (pending.size === 0) thread.unref();
  if (reply.kind === "failed") item.reject(runFailed(reply.reason, item.what));
  else item.resolve({ values: reply.values, ms: reply.ms });
}

/** What a run is on, for messages. */
function sizeOf({ image }: GraphValues): string {
  const [, height, width] = image?.dims ?? [];
  return height === undefined || width === undefined ? "its input" : `${width} x ${height} pixels`;
}

function runFailed(reason: string, what: string): ClustsegError {
  if (/bad_alloc|bad allocation|out of memory|failed to allocate|cudaMalloc/i.test(reason)) {
    return new ClustsegError("MODEL_OUT_OF_MEMORY", `Not enough memory to run the graph on ${what}.`, {
      hint: "Lower the number of images at once, or input.tile.max_pixels or input.mask_tile.side in model.json.",
      cause: reason,
    });
  }
  return new ClustsegError("MODEL_RUN_FAILED", `The graph failed on ${what}: ${reason}`, {
    hint: "If it happens with one image only, report it together with that image.",
    cause: reason,
  });
}

function refusedError(refused: readonly RefusedProvider[]): ClustsegError {
  const reasons = refused.map(({ provider, reason }) => `${provider}: ${reason}`).join("; ");
  // The CPU provider is always there: if it refuses, it is the graph that is wrong.
  if (refused.some(({ provider }) => provider === "cpu")) return loadFailed(reasons);
  // onnxruntime tells of a library that it did not find, which is what comes of it and not why.
  const known = whyNoCuda();
  if (known !== undefined) {
    const message = `The execution provider cuda does not work here: ${known.reason}`;
    return new ClustsegError("MODEL_PROVIDER_UNAVAILABLE", message, { hint: known.hint, cause: reasons });
  }
  return new ClustsegError("MODEL_PROVIDER_UNAVAILABLE", `No execution provider could be opened (${reasons}).`, {
    hint: 'Run "clustseg doctor" to see what is missing, or allow "cpu".',
  });
}

function loadFailed(why: string, cause?: unknown): ClustsegError {
  const detail = cause instanceof Error ? `${why}: ${cause.message}` : why;
  return new ClustsegError("MODEL_LOAD_FAILED", `The graph could not be opened: ${detail}`, {
    hint: 'Run "clustseg doctor"; the graph may need a newer onnxruntime-node.',
    cause,
  });
}

function workerDied(how: string, cause?: unknown): ClustsegError {
  const detail = cause instanceof Error ? `${how}: ${cause.message}` : how;
  return new ClustsegError("MODEL_WORKER_DIED", `The thread that runs the graph died: ${detail}`, {
    hint: "Try again with fewer images at once; if it happens again with one image, report it with that image.",
    cause,
  });
}

function closed(): ClustsegError {
  return new ClustsegError("MODEL_CLOSED", "The model was used after it was closed.", {
    hint: "Keep the model open until the last image is done.",
  });
}
