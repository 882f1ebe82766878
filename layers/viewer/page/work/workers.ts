import type { JobMessage, JobName, JobReply, Jobs } from "./jobs.js";

interface Waiting {
  readonly id: number;
  readonly message: JobMessage;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
  readonly signal: AbortSignal | undefined;
}

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL(text: string): string },
  ): { createScriptURL(text: string): string };
}

/** The only script that is ever started: with trusted types, the policy can make no other address. */
function workerAddress(): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  const policy = trustedTypes?.createPolicy("clustseg-worker", { createScriptURL: () => "worker.js" });
  return policy?.createScriptURL("") ?? "worker.js";
}

/** Jobs a worker has in hand: while one waits for the network, another is worked on. */
const jobsAWorker = 3;

/** Some worker threads, and what waits for them. What was asked for last is done first: it is what is looked at. */
export class Workers {
  readonly #idle: Worker[] = [];
  readonly #waiting: Waiting[] = [];
  readonly #begun = new Map<number, Waiting>();
  #next = 1;

  constructor(count = 2) {
    const address = workerAddress();
    for (let i = 0; i < count; i++) {
      const worker = new Worker(address, { type: "module" });
      worker.addEventListener("message", ({ data }: MessageEvent<JobReply>) => this.#end(worker, data));
      for (let place = 0; place < jobsAWorker; place++) this.#idle.push(worker);
    }
  }

  /**
   * @param signal when it is aborted before the job has begun, it never is
   * @throws Error what the job threw; AbortError
   */
  run<N extends JobName>(name: N, ask: Jobs[N]["ask"], signal?: AbortSignal): Promise<Jobs[N]["answer"]> {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#waiting.push({ id, message: { id, name, ask }, resolve, reject, signal });
      this.#begin();
    });
  }

  #begin(): void {
    while (this.#idle.length > 0 && this.#waiting.length > 0) {
      const job = this.#waiting.pop()!;
      if (job.signal?.aborted) {
        job.reject(new DOMException("Not wanted any more.", "AbortError"));
        continue;
      }
      this.#begun.set(job.id, job);
      this.#idle.shift()!.postMessage(job.message);
    }
  }

  #end(worker: Worker, reply: JobReply): void {
    const job = this.#begun.get(reply.id);
    this.#begun.delete(reply.id);
    this.#idle.push(worker);
    if ("error" in reply) job?.reject(new Error(reply.error));
    else job?.resolve(reply.answer as never);
    this.#begin();
  }
}
