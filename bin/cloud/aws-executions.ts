import {
  type ExecutionStatus as AwsStatus,
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
  type HistoryEvent,
  ListExecutionsCommand,
  ListMapRunsCommand,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from "@aws-sdk/client-sfn";
import { nameOf, told } from "./cloud-errors.js";
import type { Execution, ExecutionDetail, ExecutionFailure, ExecutionStatus, Executions } from "./ports.js";

/** Step Functions, one state machine. */
export class AwsExecutions implements Executions {
  readonly #client = new SFNClient({});
  readonly #machine: string;

  constructor(stateMachineArn: string) {
    this.#machine = stateMachineArn;
  }

  async start(name: string, input: unknown): Promise<"started" | "exists"> {
    const command = new StartExecutionCommand({
      stateMachineArn: this.#machine,
      name,
      input: JSON.stringify(input),
    });
    return told(
      `starting the run ${name}`,
      this.#client.send(command).then(
        () => "started" as const,
        (error: unknown) => {
          if (nameOf(error) === "ExecutionAlreadyExists") return "exists" as const;
          throw error;
        },
      ),
    );
  }

  async find(name: string): Promise<ExecutionDetail | undefined> {
    const found = await told(
      `reading the execution ${name}`,
      this.#client.send(new DescribeExecutionCommand({ executionArn: this.#arnOf(name) })).catch((error: unknown) => {
        if (nameOf(error) === "ExecutionDoesNotExist") return undefined;
        throw error;
      }),
    );
    if (found === undefined) return undefined;
    const { status, startDate, stopDate, input = "{}", output, error, cause } = found;
    return {
      ...execution(name, status, startDate, stopDate),
      input,
      ...(output === undefined ? {} : { output }),
      ...(error === undefined ? {} : { error }),
      ...(cause === undefined ? {} : { cause }),
    };
  }

  async *list(): AsyncGenerator<Execution> {
    let token: string | undefined;
    do {
      const page = await told(
        "listing the runs",
        this.#client.send(
          new ListExecutionsCommand({
            stateMachineArn: this.#machine,
            maxResults: 100,
            ...(token === undefined ? {} : { nextToken: token }),
          }),
        ),
      );
      for (const { name = "", status, startDate, stopDate } of page.executions ?? []) {
        yield execution(name, status, startDate, stopDate);
      }
      token = page.nextToken;
    } while (token !== undefined);
  }

  async stop(name: string, cause: string): Promise<void> {
    await told(
      `stopping the execution ${name}`,
      this.#client.send(new StopExecutionCommand({ executionArn: this.#arnOf(name), error: "Cancelled", cause })),
    );
  }

  async reason(name: string): Promise<ExecutionFailure | undefined> {
    const arn = this.#arnOf(name);
    const own = await this.#failureOf(arn);
    // The map says only that too many of its children have failed, or nothing if it bore that; one of them says why.
    const ofMap = own === undefined || own.type.startsWith("MapRun");
    return ofMap ? ((await this.#childFailure(arn)) ?? own) : own;
  }

  /** The last step that failed, which the state machine has caught and ended for. */
  async #failureOf(executionArn: string): Promise<(ExecutionFailure & { readonly type: string }) | undefined> {
    const { events = [] } = await told(
      "reading what the run has done",
      this.#client.send(new GetExecutionHistoryCommand({ executionArn, reverseOrder: true, maxResults: 200 })),
    );
    for (const event of events) {
      const { type = "" } = event;
      if (!/(?:Failed|TimedOut|Aborted)$/.test(type) || type.startsWith("Execution")) continue;
      const details = detailsOf(event);
      if (details.error !== undefined || details.cause !== undefined) return { type, ...details };
    }
    return undefined;
  }

  async #childFailure(executionArn: string): Promise<ExecutionFailure | undefined> {
    const { mapRuns = [] } = await told(
      "reading the shards of the run",
      this.#client.send(new ListMapRunsCommand({ executionArn })),
    );
    for (const { mapRunArn } of mapRuns) {
      const { executions = [] } = await told(
        "reading the shards of the run",
        this.#client.send(new ListExecutionsCommand({ mapRunArn, statusFilter: "FAILED", maxResults: 1 })),
      );
      const childArn = executions[0]?.executionArn;
      if (childArn === undefined) continue;
      const child = await told(
        "reading a shard of the run",
        this.#client.send(new DescribeExecutionCommand({ executionArn: childArn })),
      );
      return (await this.#failureOf(childArn)) ?? { error: child.error, cause: child.cause };
    }
    return undefined;
  }

  /** arn:aws:states:region:account:stateMachine:machine -> arn:aws:states:region:account:execution:machine:name */
  #arnOf(name: string): string {
    return `${this.#machine.replace(":stateMachine:", ":execution:")}:${name}`;
  }
}

/** Each kind of event has its details under a name of its own. */
function detailsOf(event: HistoryEvent): ExecutionFailure {
  for (const [name, details] of Object.entries(event)) {
    if (!name.endsWith("EventDetails") || typeof details !== "object" || details === null) continue;
    const { error, cause } = details as { error?: unknown; cause?: unknown };
    const text = (value: unknown) => (typeof value === "string" ? value : undefined);
    return { error: text(error), cause: text(cause) };
  }
  return { error: undefined, cause: undefined };
}

const statuses: Readonly<Record<string, ExecutionStatus>> = {
  RUNNING: "running",
  PENDING_REDRIVE: "running",
  SUCCEEDED: "succeeded",
  FAILED: "failed",
  TIMED_OUT: "timed_out",
  ABORTED: "aborted",
};

function execution(
  name: string,
  status: AwsStatus | undefined,
  startedAt: Date | undefined,
  stoppedAt: Date | undefined,
): Execution {
  return {
    name,
    status: statuses[status ?? ""] ?? "failed",
    startedAt: startedAt ?? new Date(0),
    ...(stoppedAt === undefined ? {} : { stoppedAt }),
  };
}
