import {
  CloudFormationClient,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  type Stack,
} from "@aws-sdk/client-cloudformation";
import { told } from "./cloud-errors.js";
import type { FoundStack, StackFailure, Stacks } from "./ports.js";

/** Pages of events that are searched for the beginning of a failure. */
const eventPages = 5;

/** CloudFormation. */
export class AwsStacks implements Stacks {
  readonly #client = new CloudFormationClient({});

  async find(name: string): Promise<FoundStack | undefined> {
    const found = await told(
      `reading the stack ${name}`,
      this.#client.send(new DescribeStacksCommand({ StackName: name })).catch((error: unknown) => {
        // CloudFormation has no name for this error.
        if (error instanceof Error && /does not exist/.test(error.message)) return undefined;
        throw error;
      }),
    );
    const stack = found?.Stacks?.[0];
    return stack === undefined ? undefined : foundStack(name, stack);
  }

  async names(): Promise<readonly string[]> {
    const { Stacks: stacks = [] } = await told("listing stacks", this.#client.send(new DescribeStacksCommand({})));
    const names = stacks.flatMap(({ StackName }) => StackName ?? []).sort();
    const ours = (name: string) => name.startsWith("clustseg");
    return [...names.filter(ours), ...names.filter((name) => !ours(name))];
  }

  async firstFailure(name: string): Promise<StackFailure | undefined> {
    let first: StackFailure | undefined;
    let token: string | undefined;
    for (let page = 0; page < eventPages; page++) {
      const { StackEvents: events = [], NextToken } = await told(
        `reading the events of stack ${name}`,
        this.#client.send(
          new DescribeStackEventsCommand({ StackName: name, ...(token === undefined ? {} : { NextToken: token }) }),
        ),
      );
      // Newest first: what stands last is what began it. Before it lies the last change that went well.
      for (const { LogicalResourceId, ResourceStatus = "", ResourceStatusReason: reason, ResourceType } of events) {
        const whole = ResourceType === "AWS::CloudFormation::Stack";
        if (whole && /^(CREATE|UPDATE)_COMPLETE$/.test(ResourceStatus)) return first;
        if (ResourceStatus.endsWith("_FAILED") && reason !== undefined && !/cancelled/i.test(reason)) {
          first = { resource: LogicalResourceId ?? name, reason };
        }
      }
      token = NextToken;
      if (token === undefined) break;
    }
    return first;
  }
}

function foundStack(name: string, { StackName, StackStatus, StackStatusReason, Outputs = [] }: Stack): FoundStack {
  return {
    name: StackName ?? name,
    status: StackStatus ?? "UNKNOWN",
    ...(StackStatusReason === undefined ? {} : { reason: StackStatusReason }),
    outputs: new Map(Outputs.map(({ OutputKey = "", OutputValue = "" }) => [OutputKey, OutputValue])),
  };
}
