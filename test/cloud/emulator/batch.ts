import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import type { JobRunner, RunningContainer } from "./job-runner.js";
import { account, region, unsigned } from "./moto.js";
import type { Service, ServiceAnswer } from "./proxy.js";

export interface BatchOptions {
  readonly endpoint: () => string;
  readonly motoUrl: () => string;
  readonly runner: JobRunner;
  readonly logs: string;
  /** Jobs that run at once. @default 2 */
  readonly concurrency?: number;
}

interface Pair {
  readonly name: string;
  readonly value: string;
}

interface RetryRule {
  readonly onStatusReason?: string;
  readonly onReason?: string;
  readonly onExitCode?: string;
  readonly action: string;
}

interface JobDefinition {
  readonly jobDefinitionArn: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly retryStrategy?: { readonly attempts?: number; readonly evaluateOnExit?: readonly RetryRule[] };
  readonly timeout?: { readonly attemptDurationSeconds?: number };
  readonly containerProperties: {
    readonly image: string;
    readonly command?: readonly string[];
    readonly environment?: readonly Pair[];
  };
}

interface Submit {
  readonly jobName: string;
  readonly jobQueue: string;
  readonly jobDefinition: string;
  readonly shareIdentifier?: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly retryStrategy?: JobDefinition["retryStrategy"];
  readonly timeout?: JobDefinition["timeout"];
  readonly containerOverrides?: { readonly command?: readonly string[]; readonly environment?: readonly Pair[] };
}

interface Attempt {
  readonly startedAt: number;
  readonly stoppedAt: number;
  readonly statusReason: string;
  readonly container: { readonly exitCode: number; readonly reason: string; readonly logStreamName: string };
}

export interface Job {
  readonly jobId: string;
  readonly jobName: string;
  readonly jobQueue: string;
  readonly shareIdentifier: string | undefined;
  readonly createdAt: number;
  readonly attempts: Attempt[];
  readonly command: readonly string[];
  status: "RUNNABLE" | "RUNNING" | "SUCCEEDED" | "FAILED";
  statusReason: string;
  startedAt?: number;
  stoppedAt?: number;
}

interface Work extends Job {
  readonly definition: JobDefinition;
  readonly submit: Submit;
  container?: RunningContainer;
  /** Why it was ended from outside. */
  endedBy?: string;
}

/**
 * AWS Batch's jobs: SubmitJob, DescribeJobs, ListJobs, TerminateJob and CancelJob, with attempts, retry rules and time limits.
 * All of it is ours; moto keeps queues, environments and job definitions. There is no scheduling: jobs start in their order.
 */
export class Batch {
  readonly #options: BatchOptions;
  readonly #jobs = new Map<string, Work>();
  readonly #definitions = new Map<string, Promise<JobDefinition>>();
  readonly #queue: Work[] = [];
  #running = 0;

  constructor(options: BatchOptions) {
    this.#options = options;
  }

  get jobs(): readonly Job[] {
    return [...this.#jobs.values()];
  }

  /** Jobs that have a container now. */
  get running(): readonly Job[] {
    return this.jobs.filter(({ status }) => status === "RUNNING");
  }

  readonly service: Service = (call, body) => {
    const match = /^POST \/v1\/(\w+)$/.exec(call.operation);
    if (call.service !== "batch" || match?.[1] === undefined) return undefined;
    const read = () => JSON.parse(body.toString()) as unknown;
    switch (match[1]) {
      case "submitjob":
        return this.#submit(read() as Submit);
      case "describejobs":
        return answer({ jobs: (read() as { jobs: string[] }).jobs.flatMap((id) => this.#describe(id)) });
      case "listjobs":
        return this.#list(read() as { jobQueue: string; jobStatus?: string });
      case "terminatejob":
      case "canceljob":
        return this.#terminate(read() as { jobId: string; reason: string });
      default:
        return undefined;
    }
  };

  /**
   * The instance of a job is taken back: SIGTERM, and SIGKILL when the container has not ended in `graceSeconds`; at once when
   * that is 0, as when a machine dies.
   */
  async reclaim(jobId: string, graceSeconds = 30): Promise<void> {
    const job = this.#jobs.get(jobId);
    if (job?.container === undefined) throw new Error(`job ${jobId} does not run`);
    job.endedBy = "Host EC2 (instance i-0123456789abcdef0) terminated.";
    job.container.signal(graceSeconds === 0 ? "SIGKILL" : "SIGTERM");
    const kill = setTimeout(() => job.container?.signal("SIGKILL"), graceSeconds * 1000);
    await job.container.ended;
    clearTimeout(kill);
  }

  /** The job's process dies at once, as when its memory ran out. */
  kill(jobId: string): void {
    const job = this.#jobs.get(jobId);
    if (job?.container === undefined) throw new Error(`job ${jobId} does not run`);
    job.container.signal("SIGKILL");
  }

  async #submit(submit: Submit): Promise<ServiceAnswer> {
    const definition = await this.#definition(submit.jobDefinition);
    if (definition === undefined) {
      return answer({ __type: "ClientException", message: `JobDefinition not found: ${submit.jobDefinition}` }, 400);
    }
    const jobId = randomUUID();
    const parameters = { ...definition.parameters, ...submit.parameters };
    const declared = submit.containerOverrides?.command ?? definition.containerProperties.command ?? [];
    const job: Work = {
      jobId,
      jobName: submit.jobName,
      jobQueue: submit.jobQueue,
      shareIdentifier: submit.shareIdentifier,
      createdAt: Date.now(),
      attempts: [],
      command: declared.map((word) => word.replace(/^Ref::(\w+)$/, (whole, name: string) => parameters[name] ?? whole)),
      status: "RUNNABLE",
      statusReason: "",
      definition,
      submit,
    };
    this.#jobs.set(jobId, job);
    this.#queue.push(job);
    void this.#startNext();
    return answer({ jobId, jobName: submit.jobName, jobArn: arnOf(jobId) });
  }

  async #startNext(): Promise<void> {
    if (this.#running >= (this.#options.concurrency ?? 2)) return;
    const job = this.#queue.shift();
    if (job === undefined) return;
    this.#running++;
    try {
      await this.#run(job);
    } finally {
      this.#running--;
      void this.#startNext();
    }
  }

  async #run(job: Work): Promise<void> {
    const { definition, submit } = job;
    const strategy = submit.retryStrategy ?? definition.retryStrategy ?? {};
    const limit = submit.timeout?.attemptDurationSeconds ?? definition.timeout?.attemptDurationSeconds;
    for (let number = 1; ; number++) {
      if (job.endedBy !== undefined && job.attempts.length === 0) return end(job, "FAILED", job.endedBy);
      const startedAt = Date.now();
      job.startedAt ??= startedAt;
      job.container = this.#start(job, number);
      job.status = "RUNNING";
      const timer = limit === undefined ? undefined : setTimeout(() => this.#timeOut(job), limit * 1000);
      const { exitCode, reason } = await job.container.ended;
      clearTimeout(timer);
      delete job.container;
      const statusReason = job.endedBy ?? "Essential container in task exited";
      const container = { exitCode, reason, logStreamName: `segment/default/${job.jobId}` };
      job.attempts.push({ startedAt, stoppedAt: Date.now(), statusReason, container });
      if (exitCode === 0 && job.endedBy === undefined) return end(job, "SUCCEEDED", statusReason);
      const wasReclaimed = job.endedBy?.startsWith("Host EC2") === true;
      if (job.endedBy !== undefined && !wasReclaimed) return end(job, "FAILED", statusReason);
      if (
        number >= (strategy.attempts ?? 1) ||
        !mayRetry(strategy.evaluateOnExit, { exitCode, reason, statusReason })
      ) {
        return end(job, "FAILED", statusReason);
      }
      delete job.endedBy;
      job.status = "RUNNABLE";
    }
  }

  #timeOut(job: Work): void {
    job.endedBy = "Job attempt duration exceeded timeout";
    job.container?.signal("SIGKILL");
  }

  #start(job: Work, attempt: number): RunningContainer {
    const { containerProperties } = job.definition;
    const pairs = [...(containerProperties.environment ?? []), ...(job.submit.containerOverrides?.environment ?? [])];
    return this.#options.runner.start({
      image: containerProperties.image,
      command: job.command.length === 0 ? undefined : job.command,
      environment: {
        ...Object.fromEntries(pairs.map(({ name, value }) => [name, value])),
        AWS_BATCH_JOB_ID: job.jobId,
        AWS_BATCH_JOB_ATTEMPT: String(attempt),
        AWS_BATCH_JQ_NAME: job.jobQueue.slice(job.jobQueue.lastIndexOf("/") + 1),
        // The container's role, which a link-local address would hand out; and where AWS is.
        AWS_ACCESS_KEY_ID: `segment.${job.jobId}.${attempt}`,
        AWS_SECRET_ACCESS_KEY: "emulator",
        AWS_ENDPOINT_URL: this.#options.endpoint(),
      },
      log: resolve(this.#options.logs, `segment-${job.jobId}-${attempt}.log`),
    });
  }

  async #terminate({ jobId, reason }: { jobId: string; reason: string }): Promise<ServiceAnswer> {
    const job = this.#jobs.get(jobId);
    if (job !== undefined && job.status !== "SUCCEEDED" && job.status !== "FAILED") {
      job.endedBy = reason;
      job.container?.signal("SIGTERM");
      setTimeout(() => job.container?.signal("SIGKILL"), 30_000).unref();
    }
    return answer({});
  }

  async #list({ jobQueue, jobStatus = "RUNNING" }: { jobQueue: string; jobStatus?: string }): Promise<ServiceAnswer> {
    const name = jobQueue.slice(jobQueue.lastIndexOf("/") + 1);
    const found = this.jobs.filter(
      (job) => job.status === jobStatus && job.jobQueue.slice(job.jobQueue.lastIndexOf("/") + 1) === name,
    );
    return answer({ jobSummaryList: found.flatMap(({ jobId }) => this.#describe(jobId)) });
  }

  #describe(id: string): readonly object[] {
    const jobId = id.slice(id.lastIndexOf("/") + 1);
    const job = this.#jobs.get(jobId);
    if (job === undefined) return [];
    const { definition, submit: _, container: __, endedBy: ___, ...described } = job;
    const last = job.attempts.at(-1)?.container;
    return [
      {
        ...described,
        jobArn: arnOf(jobId),
        jobDefinition: definition.jobDefinitionArn,
        container: {
          image: definition.containerProperties.image,
          command: job.command,
          logStreamName: `segment/default/${jobId}`,
          ...(last === undefined ? {} : { exitCode: last.exitCode, reason: last.reason }),
        },
      },
    ];
  }

  #definition(reference: string): Promise<JobDefinition | undefined> {
    const known = this.#definitions.get(reference);
    if (known !== undefined) return known;
    const read = (async () => {
      const answered = await fetch(`${this.#options.motoUrl()}/v1/describejobdefinitions`, {
        method: "POST",
        headers: unsigned("batch"),
        body: JSON.stringify(
          reference.startsWith("arn:")
            ? { jobDefinitions: [reference] }
            : { jobDefinitionName: reference.split(":")[0] },
        ),
      });
      const { jobDefinitions } = (await answered.json()) as { jobDefinitions: JobDefinition[] };
      const found = jobDefinitions.at(-1);
      if (found === undefined) throw new Error(`there is no job definition ${reference}`);
      return found;
    })();
    this.#definitions.set(reference, read);
    read.catch(() => this.#definitions.delete(reference));
    return read;
  }
}

async function answer(body: object, status = 200): Promise<ServiceAnswer> {
  return { status, body: JSON.stringify(body) };
}

function arnOf(jobId: string): string {
  return `arn:aws:batch:${region}:${account}:job/${jobId}`;
}

function end(job: Work, status: "SUCCEEDED" | "FAILED", reason: string): void {
  job.status = status;
  job.statusReason = reason;
  job.stoppedAt = Date.now();
}

interface Exit {
  readonly exitCode: number;
  readonly reason: string;
  readonly statusReason: string;
}

/** evaluateOnExit: the first rule of which all conditions match decides; when none does, the job is tried again. */
export function mayRetry(rules: readonly RetryRule[] | undefined, exit: Exit): boolean {
  for (const { onExitCode, onReason, onStatusReason, action } of rules ?? []) {
    const holds =
      matches(onExitCode, String(exit.exitCode)) &&
      matches(onReason, exit.reason) &&
      matches(onStatusReason, exit.statusReason);
    if (holds) return action.toUpperCase() === "RETRY";
  }
  return true;
}

/** Batch's patterns: any text, and a "*" at its end for whatever follows; case does not matter. */
function matches(pattern: string | undefined, text: string): boolean {
  if (pattern === undefined) return true;
  const [wanted, found] = [pattern.toLowerCase(), text.toLowerCase()];
  return wanted.endsWith("*") ? found.startsWith(wanted.slice(0, -1)) : found === wanted;
}
