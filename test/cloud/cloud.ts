import { execFile } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { CloudFormationClient, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import { S3Client } from "@aws-sdk/client-s3";
import { ListExecutionsCommand, SFNClient } from "@aws-sdk/client-sfn";
import { GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
// @ts-expect-error no types: a build script
import { findBuilder } from "../../scripts/image-builder.mjs";
import { bootstrap, deploy } from "./deploy.js";
import { Emulator } from "./emulator/emulator.js";
import { imageRunner } from "./emulator/image-runner.js";
import type { JobRunner } from "./emulator/job-runner.js";
import { region } from "./emulator/moto.js";
import { processRunner } from "./emulator/process-runner.js";
import { lambdaNode, pythonWithMoto } from "./emulator/tools.js";

const execute = promisify(execFile);
/** Of this process, so that two runs of the tests do not disturb each other. */
const logs = resolve("out/cloud-test", String(process.pid));

/** The long forms of the scenarios: thousands of images where CI has hundreds. */
export const isLong = process.env["CLUSTSEG_LONG"] === "1";

/** One stack, as somebody sees it who has deployed it: its outputs, and clients. */
export interface Stack {
  readonly name: string;
  readonly outputs: Readonly<Record<string, string>>;
  readonly uploads: string;
  readonly staging: string;
  readonly results: string;
  /** The synthesised template that was deployed. */
  readonly templateFile: string;
}

export interface Cloud {
  readonly emulator: Emulator;
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  readonly sfn: SFNClient;
  /** Deploys the stack of a configuration, once. */
  stack(configuration: "dev" | "two"): Promise<Stack>;
}

let opened: Promise<Cloud> | undefined;

/** The emulator with clients; started once for all scenarios. It ends with this process. */
export function openCloud(): Promise<Cloud> {
  opened ??= start();
  return opened;
}

async function start(): Promise<Cloud> {
  removeLogsOfTheDead();
  const [python, node] = await Promise.all([pythonWithMoto(), lambdaNode()]);
  const runner = jobRunner(node.path);
  console.log(`Functions run under ${node.description}; segment jobs are ${runner.description}.`);
  const emulator = await Emulator.start({ python, node: node.path, runner, logs });
  await bootstrap(emulator);

  const client = {
    endpoint: emulator.proxy.url,
    region,
    credentials: { accessKeyId: "test", secretAccessKey: "emulator" },
  };
  const formation = new CloudFormationClient(client);
  const stacks = new Map<string, Promise<Stack>>();
  return {
    emulator,
    s3: new S3Client({ ...client, forcePathStyle: true }),
    sqs: new SQSClient({ ...client, useQueueUrlAsEndpoint: false }),
    sfn: new SFNClient(client),
    stack(configuration) {
      const known = stacks.get(configuration);
      if (known !== undefined) return known;
      const deployed = (async () => {
        const began = performance.now();
        const name = `clustseg-${configuration}`;
        const output = resolve(logs, `cdk.out.${configuration}`);
        await deploy(emulator, configuration, output);
        await emulator.poller.start();
        const stack = { ...(await describe(formation, name)), templateFile: resolve(output, `${name}.template.json`) };
        console.log(`${stack.name} was deployed in ${((performance.now() - began) / 1000).toFixed(0)} s`);
        return stack;
      })();
      stacks.set(configuration, deployed);
      return deployed;
    },
  };
}

function removeLogsOfTheDead(): void {
  const folder = resolve(logs, "..");
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    if (name === String(process.pid) || !existsSync(`/proc/${name}`))
      rmSync(resolve(folder, name), { recursive: true, force: true });
  }
}

function jobRunner(node: string): JobRunner {
  if (process.env["CLUSTSEG_BATCH"] === "process") {
    const folder = resolve("dist/cloud/segment");
    return processRunner(node, resolve(folder, "app/segment.js"), resolve(folder, "models"));
  }
  // Throws where nothing can build an image: then the tests fail, they are not skipped.
  return imageRunner(findBuilder() as "buildah" | "docker" | "podman");
}

async function describe(formation: CloudFormationClient, name: string): Promise<Omit<Stack, "templateFile">> {
  const { Stacks } = await formation.send(new DescribeStacksCommand({ StackName: name }));
  const outputs = Object.fromEntries(
    (Stacks?.[0]?.Outputs ?? []).map(({ OutputKey = "", OutputValue = "" }) => [OutputKey, OutputValue]),
  );
  const bucketOf = (output: string) => (outputs[output] ?? "").split("/")[2] ?? "";
  return {
    name,
    outputs,
    uploads: bucketOf("UploadsUri"),
    staging: bucketOf("StagingUri"),
    results: bucketOf("ResultsUri"),
  };
}

/** Resolves when no message waits and no execution runs, twice in a row. @throws Error after `seconds` */
export async function settled(cloud: Cloud, stack: Stack, seconds = 240): Promise<void> {
  const until = Date.now() + seconds * 1000;
  let quiet = 0;
  let last = "";
  while (quiet < 2) {
    if (Date.now() > until) throw new Error(`${stack.name} was still at work after ${seconds} s: ${last}`);
    await new Promise((wait) => setTimeout(wait, 400));
    const [waiting, running] = await Promise.all([
      messages(cloud, stack.outputs["IntakeQueueUrl"] ?? ""),
      runsOf(cloud, stack),
    ]);
    const busy = running.filter(({ status }) => status === "RUNNING").length;
    last = `${waiting} messages, ${busy} executions`;
    quiet = waiting === 0 && busy === 0 ? quiet + 1 : 0;
  }
}

/** Messages of a queue: those that can be received, those in flight and those that are delayed. */
export async function messages({ sqs }: Cloud, QueueUrl: string): Promise<number> {
  const { Attributes = {} } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
  return ["", "NotVisible", "Delayed"].reduce(
    (sum, what) => sum + Number(Attributes[`ApproximateNumberOfMessages${what}` as keyof typeof Attributes] ?? 0),
    0,
  );
}

export interface Run {
  readonly name: string;
  readonly status: string;
}

/** All executions of the stack's state machine. */
export async function runsOf({ sfn }: Cloud, stack: Stack): Promise<readonly Run[]> {
  const found: Run[] = [];
  let nextToken: string | undefined;
  do {
    const page = await sfn.send(
      new ListExecutionsCommand({
        stateMachineArn: stack.outputs["StateMachineArn"],
        ...(nextToken ? { nextToken } : {}),
      }),
    );
    for (const { name = "", status = "" } of page.executions ?? []) found.push({ name, status });
    nextToken = page.nextToken;
  } while (nextToken !== undefined);
  return found;
}

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command line, as a person has it. */
export function clustseg(cloud: Cloud, stack: Stack, ...words: readonly string[]): Promise<Ended> {
  return runProgram(cloud, stack, "bin/clustseg.mjs", ...words);
}

/** A program of this repository, in an environment where the emulator is AWS. */
export async function runProgram({ emulator }: Cloud, stack: Stack, ...words: readonly string[]): Promise<Ended> {
  try {
    const { stdout, stderr } = await execute(process.execPath, words, {
      env: { ...process.env, ...emulator.environment("cli"), CLUSTSEG_STACK: stack.name, NODE_NO_WARNINGS: "1" },
      maxBuffer: 64 * 1024 ** 2,
    });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout = "", stderr = "" } = error as { code?: number; stdout?: string; stderr?: string };
    return { code: code ?? 1, stdout, stderr };
  }
}
