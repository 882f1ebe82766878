import {
  BatchClient,
  CancelJobCommand,
  DescribeComputeEnvironmentsCommand,
  DescribeJobDefinitionsCommand,
  DescribeJobQueuesCommand,
  type JobStatus,
  type JobSummary,
  ListJobsCommand,
  TerminateJobCommand,
} from "@aws-sdk/client-batch";
import { told } from "./cloud-errors.js";
import type { BatchContainer, BatchJob, BatchJobs, BatchQueue } from "./ports.js";

/** Jobs that are counted of one kind; more are told as so many. */
const mostCounted = 1000;

/** AWS Batch, one job queue. */
export class AwsBatchJobs implements BatchJobs {
  readonly #client = new BatchClient({});
  readonly #queue: string;

  /** @param queue name or ARN */
  constructor(queue: string) {
    this.#queue = queue;
  }

  async queue(): Promise<BatchQueue> {
    const { jobQueues: [queue] = [] } = await told(
      `reading the job queue ${this.#queue}`,
      this.#client.send(new DescribeJobQueuesCommand({ jobQueues: [this.#queue] })),
    );
    const problems: string[] = [];
    if (queue === undefined) problems.push("the job queue is not there");
    else problems.push(...problemsOf("the job queue", queue.state, queue.status, queue.statusReason));
    const names = queue?.computeEnvironmentOrder?.flatMap(({ computeEnvironment }) => computeEnvironment ?? []) ?? [];
    if (names.length > 0) {
      const { computeEnvironments = [] } = await told(
        "reading the compute environments",
        this.#client.send(new DescribeComputeEnvironmentsCommand({ computeEnvironments: names })),
      );
      for (const { computeEnvironmentName: name, state, status, statusReason } of computeEnvironments) {
        problems.push(...problemsOf(`the compute environment ${name}`, state, status, statusReason));
      }
    }
    if (queue === undefined) return { problems, waiting: 0, starting: 0, running: 0 };
    const [runnable, submitted, starting, running] = await Promise.all(
      (["RUNNABLE", "SUBMITTED", "STARTING", "RUNNING"] as const).map((status) => this.#count(status)),
    );
    return { problems, waiting: runnable! + submitted!, starting: starting!, running: running! };
  }

  async container(definition: string): Promise<BatchContainer | undefined> {
    const { jobDefinitions = [] } = await told(
      `reading the job definition ${definition}`,
      this.#client.send(new DescribeJobDefinitionsCommand({ jobDefinitionName: definition, status: "ACTIVE" })),
    );
    const [newest] = jobDefinitions.sort((a, b) => (b.revision ?? 0) - (a.revision ?? 0));
    const properties = newest?.containerProperties;
    if (properties?.image === undefined) return undefined;
    const environment = (properties.environment ?? []).map(({ name = "", value = "" }) => [name, value] as const);
    return { image: properties.image, revision: newest?.revision ?? 0, environment: new Map(environment) };
  }

  async *waiting(): AsyncGenerator<BatchJob> {
    for (const status of ["SUBMITTED", "PENDING", "RUNNABLE"] as const) {
      for await (const { jobId: id, jobName: name } of this.#jobs(status)) {
        if (id !== undefined) yield { id, name: name ?? "" };
      }
    }
  }

  async cancel(id: string, reason: string): Promise<void> {
    // A job that waits is cancelled; one that has got a machine meanwhile is told to end (SIGTERM: its work is kept).
    await told(
      `cancelling the job ${id}`,
      this.#client
        .send(new CancelJobCommand({ jobId: id, reason }))
        .then(() => this.#client.send(new TerminateJobCommand({ jobId: id, reason }))),
    );
  }

  async #count(status: JobStatus): Promise<number> {
    let count = 0;
    for await (const _ of this.#jobs(status)) if (++count === mostCounted) break;
    return count;
  }

  async *#jobs(status: JobStatus): AsyncGenerator<JobSummary> {
    let token: string | undefined;
    do {
      const page = await told(
        "listing jobs",
        this.#client.send(
          new ListJobsCommand({
            jobQueue: this.#queue,
            jobStatus: status,
            ...(token === undefined ? {} : { nextToken: token }),
          }),
        ),
      );
      yield* page.jobSummaryList ?? [];
      token = page.nextToken;
    } while (token !== undefined);
  }
}

function problemsOf(what: string, state?: string, status?: string, reason?: string): string[] {
  const why = reason === undefined || reason === "" ? "" : `: ${reason}`;
  const found: string[] = [];
  if (state === "DISABLED") found.push(`${what} is disabled`);
  if (status === "INVALID") found.push(`${what} is invalid${why}`);
  return found;
}
