import { z } from "zod";
import { type Pipeline, pipelinePrefix, pipelinesSchema } from "../../layers/pipeline/cloud-contracts.js";
import { parseDocument } from "../../layers/pipeline/contracts.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import type { FoundStack, Stacks } from "./ports.js";
import type { CloudSettings } from "./settings.js";

/** What the commands know of a deployed stack: its outputs. */
export interface Stack {
  readonly name: string;
  readonly status: string;
  readonly uploads: string;
  readonly staging: string;
  readonly results: string;
  readonly stateMachine: string;
  readonly pipelines: readonly Pipeline[];
  readonly computeKind: string;
  /** By the name of what writes it: intake, plan, segment, … */
  readonly logGroups: Readonly<Record<string, string>>;
  /** ARN or name; absent where there is no Batch. */
  readonly jobQueue?: string;
  /** Name of the container's. */
  readonly jobDefinition?: string;
  readonly deadLetters?: string;
  readonly intakeQueue?: string;
  readonly dashboard?: string;
}

const bucketUri = z
  .string()
  .regex(/^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/.*)?$/s)
  // A prefix without the slash would be glued to the first name below it.
  .transform((uri) => (uri.endsWith("/") ? uri : `${uri}/`));

const outputsSchema = z.object({
  UploadsUri: bucketUri,
  StagingUri: bucketUri,
  ResultsUri: bucketUri,
  StateMachineArn: z.string().startsWith("arn:"),
  Pipelines: pipelinesSchema,
  ComputeKind: z.string().min(1),
  LogGroups: z.record(z.string(), z.string()).exactOptional(),
  JobQueueArn: z.string().exactOptional(),
  JobQueueName: z.string().exactOptional(),
  JobDefinitionName: z.string().exactOptional(),
  DeadLetterQueueUrl: z.url().exactOptional(),
  IntakeQueueUrl: z.url().exactOptional(),
  DashboardUrl: z.string().exactOptional(),
});

/** Outputs that hold JSON. */
const jsonOutputs = new Set(["Pipelines", "LogGroups"]);

/**
 * The stack, found by its name.
 * @throws ClustsegError STACK_NOT_FOUND, STACK_INVALID, or a CLOUD_* code
 */
export async function openStack(stacks: Stacks, settings: CloudSettings): Promise<Stack> {
  const found = await stacks.find(settings.stack);
  if (found === undefined) throw await notFound(stacks, settings);
  return stackOf(found);
}

async function notFound(stacks: Stacks, { stack, from, region }: CloudSettings): Promise<ClustsegError> {
  const names = await stacks.names().catch(() => []);
  const others = names.length === 0 ? "" : ` There are: ${names.slice(0, 8).join(", ")}.`;
  const where = region === undefined ? "" : ` in ${region}`;
  return new ClustsegError("STACK_NOT_FOUND", `there is no stack ${stack}${where} (named by ${from})`, {
    hint: `Name it with --stack, $CLUSTSEG_STACK or clustseg.json, and its region with --region; or deploy it: npx cdk deploy.${others}`,
  });
}

/** @throws ClustsegError STACK_INVALID when it has not the outputs of a stack of ClustSeg's */
export function stackOf({ name, status, outputs }: FoundStack): Stack {
  const values = Object.fromEntries(
    [...outputs].map(([key, text]) => [key, jsonOutputs.has(key) ? parsed(text) : text]),
  );
  const made = parseDocument(outputsSchema, JSON.stringify(values), "STACK_INVALID", `the outputs of stack ${name}`);
  const jobQueue = made.JobQueueArn ?? made.JobQueueName;
  return {
    name,
    status,
    uploads: made.UploadsUri,
    staging: made.StagingUri,
    results: made.ResultsUri,
    stateMachine: made.StateMachineArn,
    pipelines: made.Pipelines,
    computeKind: made.ComputeKind,
    logGroups: made.LogGroups ?? {},
    ...(jobQueue === undefined ? {} : { jobQueue }),
    ...(made.JobDefinitionName === undefined ? {} : { jobDefinition: made.JobDefinitionName }),
    ...(made.DeadLetterQueueUrl === undefined ? {} : { deadLetters: made.DeadLetterQueueUrl }),
    ...(made.IntakeQueueUrl === undefined ? {} : { intakeQueue: made.IntakeQueueUrl }),
    ...(made.DashboardUrl === undefined ? {} : { dashboard: made.DashboardUrl }),
  };
}

/** What is no JSON fails the schema, with the output's name. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Address of what a pipeline of the stack makes. */
export function resultsOf(stack: Stack, pipeline: string): string {
  return `${stack.results}${pipelinePrefix(pipeline)}`;
}

export interface PipelineWish {
  readonly pipeline?: string;
  /** name or name@version */
  readonly model?: string;
  readonly task?: string;
}

/**
 * The pipeline that a command line means. With several that fit, a person has to say which.
 * @returns task: set when it is not the pipeline's own
 * @throws ClustsegError USAGE, MODEL_NOT_FOUND, TASK_UNSUPPORTED
 */
export function choosePipeline(
  pipelines: readonly Pipeline[],
  { pipeline, model, task }: PipelineWish,
): { readonly pipeline: Pipeline; readonly task?: string } {
  const named = pipeline === undefined ? pipelines : pipelines.filter(({ name }) => name === pipeline);
  if (named.length === 0) {
    throw new ClustsegError("USAGE", `the stack has no pipeline ${pipeline}`, { hint: `It has: ${list(pipelines)}.` });
  }
  const ofModel = named.filter(({ model: own }) => [undefined, own.name, `${own.name}@${own.version}`].includes(model));
  if (ofModel.length === 0) {
    throw new ClustsegError("MODEL_NOT_FOUND", `no pipeline of the stack runs ${model}`, {
      hint: `It has: ${list(named)}. Others are added to the configuration and deployed (docs/deploy.md).`,
    });
  }
  const ofTask = task === undefined ? ofModel : ofModel.filter((one) => one.task === task);
  const able =
    ofTask.length > 0 ? ofTask : ofModel.filter((one) => task !== undefined && one.model.tasks.includes(task));
  const [only, ...others] = able;
  if (only === undefined) {
    throw new ClustsegError("TASK_UNSUPPORTED", `no pipeline of the stack does the task "${task}"`, {
      hint: `It has: ${list(ofModel)}.`,
    });
  }
  if (others.length > 0) {
    throw new ClustsegError("USAGE", "several pipelines of the stack fit", {
      hint: `Choose with --pipeline: ${list(able)}.`,
    });
  }
  return { pipeline: only, ...(task === undefined || task === only.task ? {} : { task }) };
}

function list(pipelines: readonly Pipeline[]): string {
  return pipelines.map(({ name, model, task }) => `${name} (${model.name}, ${task})`).join(", ");
}
