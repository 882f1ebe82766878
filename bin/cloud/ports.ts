/**
 * What the commands need of the cloud, beside stores. AWS's clients are behind it (aws-*.ts), loaded when they are first
 * used, so that a command that needs none starts as fast as ever.
 */

export type ExecutionStatus = "running" | "succeeded" | "failed" | "timed_out" | "aborted";

/** One execution of the stack's state machine. A run has one, and one more for each time it was gone on with. */
export interface Execution {
  readonly name: string;
  readonly status: ExecutionStatus;
  readonly startedAt: Date;
  readonly stoppedAt?: Date;
}

export interface ExecutionDetail extends Execution {
  /** JSON, as the execution was started with. */
  readonly input: string;
  readonly output?: string;
  readonly error?: string;
  readonly cause?: string;
}

export interface ExecutionFailure {
  readonly error: string | undefined;
  readonly cause: string | undefined;
}

/** The stack's state machine. */
export interface Executions {
  /** @returns "exists" when there was one of that name already: then nothing is started */
  start(name: string, input: unknown): Promise<"started" | "exists">;
  find(name: string): Promise<ExecutionDetail | undefined>;
  /** Newest first, streamed. */
  list(): AsyncIterable<Execution>;
  stop(name: string, cause: string): Promise<void>;
  /** The first of the failures that it has ended with: of the step, or of the child of its map, that began it. */
  reason(name: string): Promise<ExecutionFailure | undefined>;
}

/** Objects as a bucket keeps them. */
export interface Objects {
  /**
   * Delete what lies at a key and below it, with all of its versions and delete markers, as if it never had been there. Without
   * the permission to (s3:ListBucketVersions, s3:DeleteObjectVersion) versions stay.
   * @param address of a store, s3://bucket/prefix/
   * @throws ClustsegError a STORE_* code
   */
  purge(address: string, key: string): Promise<void>;
}

export interface QueueDepth {
  readonly waiting: number;
  readonly inFlight: number;
}

export interface QueueMessage {
  readonly id: string;
  readonly body: string;
}

export interface Queues {
  depth(url: string): Promise<QueueDepth>;
  /**
   * Move what waits in one queue into another, each message sent before it is deleted, so that none is lost. A message that
   * comes back while it is being moved is moved once.
   * @param onMoved called for each message
   */
  move(from: string, to: string, options: { signal: AbortSignal; onMoved(message: QueueMessage): void }): Promise<void>;
}

export interface LogEvent {
  readonly at: Date;
  /** Its stream within the group. */
  readonly stream: string;
  readonly text: string;
}

export interface Logs {
  /** Events that hold `text`, in the order of time; none where there is no such group. */
  find(group: string, text: string, options: { since: Date; signal?: AbortSignal }): AsyncIterable<LogEvent>;
}

export interface Quota {
  /** vCPUs that may run at once. */
  readonly value: number;
  readonly name: string;
}

export interface Account {
  identity(): Promise<{ readonly account: string; readonly arn: string }>;
  /** undefined when the account has none of that code. */
  quota(service: string, code: string): Promise<Quota | undefined>;
}

export interface BatchQueue {
  /** What is wrong with the queue or its machines; empty when nothing is. */
  readonly problems: readonly string[];
  /** Jobs by what they are doing. */
  readonly waiting: number;
  readonly starting: number;
  readonly running: number;
}

export interface BatchJob {
  readonly id: string;
  readonly name: string;
}

/** What a job would be started with. */
export interface BatchContainer {
  readonly image: string;
  readonly revision: number;
  readonly environment: ReadonlyMap<string, string>;
}

/** The queue of the jobs that segment. */
export interface BatchJobs {
  queue(): Promise<BatchQueue>;
  /** The newest revision of a job definition. */
  container(definition: string): Promise<BatchContainer | undefined>;
  /** Jobs that no machine has taken yet. */
  waiting(): AsyncIterable<BatchJob>;
  cancel(id: string, reason: string): Promise<void>;
}

/** What a stack said last when it could not be made. */
export interface StackFailure {
  readonly resource: string;
  readonly reason: string;
}

export interface FoundStack {
  readonly name: string;
  /** CREATE_COMPLETE, UPDATE_ROLLBACK_COMPLETE, … */
  readonly status: string;
  readonly reason?: string;
  readonly outputs: ReadonlyMap<string, string>;
}

export interface Stacks {
  find(name: string): Promise<FoundStack | undefined>;
  /** Names of the stacks that are there, those of ClustSeg first. */
  names(): Promise<readonly string[]>;
  /** The first thing that went wrong when the stack was last made or changed. */
  firstFailure(name: string): Promise<StackFailure | undefined>;
}
