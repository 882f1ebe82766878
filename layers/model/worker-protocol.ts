/** What the worker is started with. */
export interface WorkerStart {
  /** The graph; its buffer is transferred. */
  readonly graph: Uint8Array<ArrayBuffer>;
  readonly threads: number;
  /** Tried in this order; the first that opens is used. */
  readonly executionProviders: readonly ("cpu" | "cuda")[];
}

/** A tensor's values, as they travel between threads and as onnxruntime takes and gives them. */
export interface GraphValue {
  /** onnxruntime's name: "uint8", "uint16", "int64", "float32". */
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: Uint8Array | Uint16Array | BigInt64Array | Float32Array;
}

/** Values by the name of the graph's input or output. */
export type GraphValues = Readonly<Record<string, GraphValue>>;

/** To the worker. */
export type WorkerRequest =
  | {
      readonly kind: "run";
      readonly id: number;
      /** Their buffers are transferred. */
      readonly feeds: GraphValues;
    }
  | { readonly kind: "close" };

/** From the worker. "ready" or "refused" comes first and once; then one "values" or "failed" for each "run". */
export type WorkerReply =
  | {
      readonly kind: "ready";
      readonly provider: "cpu" | "cuda";
      readonly refused: readonly { readonly provider: "cpu" | "cuda"; readonly reason: string }[];
      readonly inputs: readonly GraphTensor[];
      readonly outputs: readonly GraphTensor[];
    }
  | {
      readonly kind: "refused";
      readonly refused: readonly { readonly provider: "cpu" | "cuda"; readonly reason: string }[];
    }
  | {
      readonly kind: "values";
      readonly id: number;
      /** All outputs of the graph; their buffers are transferred. */
      readonly values: GraphValues;
      /** Milliseconds that the graph ran. */
      readonly ms: number;
    }
  | { readonly kind: "failed"; readonly id: number; readonly reason: string };

/** An input or output as the graph itself declares it; dynamic dimensions are names. */
export interface GraphTensor {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}
