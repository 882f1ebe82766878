import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { CloudFormationClient, CreateStackCommand, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import { S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll } from "vitest";
import type { Pipeline } from "../../layers/pipeline/cloud-contracts.js";
import { S3Store } from "../../layers/storage/s3-store.js";

/** Like the moto tests of the S3 store: skipped where Python has no moto, as `npm test` must not need Python. */
export const hasMoto = spawnSync("python3", ["-c", "import moto.server"]).status === 0;

export const stackName = "clustseg-test";

export const pipelines: readonly Pipeline[] = [
  {
    name: "regions",
    model: { name: "blocks", version: "1.0.0", sha256: "ab".repeat(32), tasks: ["superpixel"] },
    task: "superpixel",
    parameters: { superpixels: 300 },
    formats: [],
  },
];

/**
 * moto's server, with state machines executed (which it can, but does not of its own accord, and then copies what cannot be
 * copied from the second execution on).
 */
const launcher = (port: number) => `
import time
from moto.core.config import default_user_config
default_user_config["stepfunctions"] = {"execute_state_machine": True}
import moto.stepfunctions.models as plain
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
plain.stepfunctions_backends = stepfunctions_parser_backends
from moto.stepfunctions.parser.backend.execution import Execution
Execution.__deepcopy__ = lambda self, memo: self
from moto.server import ThreadedMotoServer
ThreadedMotoServer(ip_address="127.0.0.1", port=${port}).start()
time.sleep(3600)
`;

/** Runs end as the prefix that they were submitted with says; all others wait. */
const definition = {
  StartAt: "Which",
  States: {
    Which: {
      Type: "Choice",
      Choices: [
        { And: [{ Variable: "$.submit.prefix", IsPresent: true }, equals("done/")], Next: "Done" },
        { And: [{ Variable: "$.submit.prefix", IsPresent: true }, equals("fail/")], Next: "Failed" },
      ],
      Default: "Wait",
    },
    Wait: { Type: "Wait", Seconds: 3600, Next: "Done" },
    Done: { Type: "Succeed" },
    Failed: {
      Type: "Fail",
      Error: "PLAN_FAILED",
      Cause: '{"errorType":"CONFIG_INVALID","errorMessage":"no such place"}',
    },
  },
};

function equals(value: string) {
  return { Variable: "$.submit.prefix", StringEquals: value };
}

const template = {
  Resources: {
    Uploads: { Type: "AWS::S3::Bucket", Properties: { BucketName: "test-uploads" } },
    Staging: { Type: "AWS::S3::Bucket", Properties: { BucketName: "test-staging" } },
    Results: { Type: "AWS::S3::Bucket", Properties: { BucketName: "test-results" } },
    Dead: { Type: "AWS::SQS::Queue", Properties: { QueueName: "test-dead" } },
    Intake: { Type: "AWS::SQS::Queue", Properties: { QueueName: "test-intake" } },
    Log: { Type: "AWS::Logs::LogGroup", Properties: { LogGroupName: "/test/segment" } },
    Machine: {
      Type: "AWS::StepFunctions::StateMachine",
      Properties: {
        StateMachineName: "test-runs",
        RoleArn: "arn:aws:iam::123456789012:role/test",
        DefinitionString: JSON.stringify(definition),
      },
    },
  },
  Outputs: Object.fromEntries(
    Object.entries({
      UploadsUri: "s3://test-uploads/",
      StagingUri: "s3://test-staging/",
      ResultsUri: "s3://test-results/masks/",
      StateMachineArn: { Ref: "Machine" },
      DeadLetterQueueUrl: { Ref: "Dead" },
      IntakeQueueUrl: { Ref: "Intake" },
      LogGroups: JSON.stringify({ segment: "/test/segment", publish: "/test/not-there" }),
      Pipelines: JSON.stringify(pipelines),
      ComputeKind: "cpu",
    }).map(([name, Value]) => [name, { Value }]),
  ),
};

/** To be called in a `describe`: a stack in moto for all of its tests, and the environment set so that commands find it. */
export function cloudStand() {
  let server: ChildProcess;
  const before = { ...process.env };
  beforeAll(async () => {
    const port = await freePort();
    server = spawn("python3", ["-c", launcher(port)], { stdio: "ignore" });
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      CLUSTSEG_STACK: stackName,
    });
    for (let attempt = 0; ; attempt++) {
      try {
        await new CloudFormationClient({ maxAttempts: 1 }).send(new DescribeStacksCommand({}));
        break;
      } catch (error) {
        if (attempt === 300) throw error;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
    const TemplateBody = JSON.stringify(template);
    await new CloudFormationClient({}).send(new CreateStackCommand({ StackName: stackName, TemplateBody }));
  }, 90_000);
  afterAll(() => {
    server.kill();
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
  });
  const store = (bucket: string, prefix = "") => new S3Store({ bucket, prefix, client: new S3Client({}) });
  return {
    uploads: () => store("test-uploads"),
    staging: () => store("test-staging"),
    results: () => store("test-results", "masks/regions/"),
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
