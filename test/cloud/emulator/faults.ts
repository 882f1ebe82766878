import { createHash } from "node:crypto";
import type { Call } from "./traffic.js";

/** What the proxy does to a call instead of passing it on and back. */
export type Fault =
  /** Not carried out; answered with an error of S3 or SQS. */
  | { readonly kind: "refuse"; readonly status: number; readonly code: string }
  /** Carried out; answered with 500 all the same. */
  | { readonly kind: "lose-answer" }
  /** Not carried out; the connection is cut. */
  | { readonly kind: "cut" };

export interface FaultOptions {
  readonly seed: number;
  /** Part of the calls that get a fault, 0 to 1. */
  readonly rate: number;
  /** Faults in all; then the services behave. */
  readonly total: number;
  /** Calls that may get one. @default those of S3 and SQS by the product's own stages and the event-source mapping */
  readonly concerns?: (call: Call) => boolean;
}

const kinds: readonly Fault[] = [
  { kind: "refuse", status: 503, code: "SlowDown" },
  { kind: "refuse", status: 500, code: "InternalError" },
  { kind: "lose-answer" },
  { kind: "cut" },
];

/**
 * Decides which calls fail. It depends on the seed and on which time the same call is made, and not on the order in which
 * processes happen to call: the same seed meets the same work with the same faults.
 */
export class Faults {
  readonly #options: FaultOptions;
  readonly #times = new Map<string, number>();
  readonly #given = new Map<string, number>();
  #count = 0;

  constructor(options: FaultOptions) {
    this.#options = options;
  }

  /** Faults given so far. */
  get count(): number {
    return this.#count;
  }

  /** Faults by "stage operation kind", for a report. */
  get given(): ReadonlyMap<string, number> {
    return this.#given;
  }

  decide(call: Call): Fault | undefined {
    const { seed, rate, total, concerns = concernsProduct } = this.#options;
    if (this.#count >= total || !concerns(call)) return undefined;
    const name = [call.stage, call.service, call.operation, call.bucket, call.key].join(" ");
    const time = (this.#times.get(name) ?? 0) + 1;
    this.#times.set(name, time);
    const digest = createHash("sha256").update(`${seed} ${name} ${time}`).digest();
    if (digest.readUInt32BE(0) / 2 ** 32 >= rate) return undefined;
    const fault = kinds[digest.readUInt8(4) % kinds.length]!;
    this.#count++;
    const label = `${call.stage} ${call.operation} ${fault.kind === "refuse" ? fault.code : fault.kind}`;
    this.#given.set(label, (this.#given.get(label) ?? 0) + 1);
    return fault;
  }
}

function concernsProduct({ service, stage }: Call): boolean {
  return (service === "s3" || service === "sqs") && stage !== "test" && stage !== "deploy" && stage !== "states";
}
