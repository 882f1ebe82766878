/** What the worker is started with. */
export interface WorkerStart {
  /** The graph; its buffer is transferred. */
  readonly graph: Uint8Array<ArrayBuffer>;
  readonly threads: number;
  /** Tried in this order; the first that opens is used. */
  readonly executionProviders: readonly ("cpu" | "cuda")[];
}

/** To the worker. */
export type WorkerRequest =
  | {
      readonly kind: "run";
      readonly id: number;
      /** RGB, height * width * 3; its buffer is transferred. */
      readonly image: Uint8Array;
      readonly width: number;
      readonly height: number;
      readonly superpixels: number;
      readonly rows: number;
      readonly columns: number;
    }
  | { readonly kind: "close" };

/** From the worker. "ready" or "refused" comes first and once; then one "labels" or "failed" for each "run". */
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
      readonly kind: "labels";
      readonly id: number;
      readonly type: string;
      readonly dims: readonly number[];
      /** Its buffer is transferred. */
      readonly data: Uint16Array;
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
