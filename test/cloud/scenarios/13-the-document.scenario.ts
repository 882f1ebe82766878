import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { BatchClient, DescribeComputeEnvironmentsCommand, DescribeJobQueuesCommand } from "@aws-sdk/client-batch";
import { CloudFormationClient, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import { HeadBucketCommand } from "@aws-sdk/client-s3";
import { beforeAll, describe, expect, it } from "vitest";
import { openCloud } from "../cloud.js";
import { cdkEnvironment } from "../deploy.js";
import { region } from "../emulator/moto.js";

const execute = promisify(execFile);
const cloud = await openCloud();
const text = readFileSync("docs/deploy.md", "utf8");

/** The commands of a section, without what a comment says; `git clone` is what has happened already. */
function commandsOf(heading: string): string[] {
  const section = text.split(/^## /m).find((part) => part.startsWith(heading)) ?? "";
  return [...section.matchAll(/^ {4}(\S.*)$/gm)]
    .map(([, line = ""]) => line.replace(/\s+#.*$/, ""))
    .filter((line) => !line.startsWith("git clone"));
}

/** Where the text says mine.json and masks; and the stack beside those of the other scenarios. */
const folder = mkdtempSync(join(tmpdir(), "clustseg-document-"));
const [configuration, masks] = [join(folder, "mine.json"), join(folder, "masks")];
const stackName = "clustseg-document";
const environment = { ...cdkEnvironment(cloud.emulator), CLUSTSEG_STACK: stackName, NODE_NO_WARNINGS: "1" };

/** A line of the document in a shell. What a terminal would be asked is answered, and where it would write is `folder`. */
async function type(line: string, more = ""): Promise<string> {
  const typed = line.replaceAll("mine.json", configuration).replaceAll(/(--out |view )masks/g, `$1${masks}`);
  try {
    const shell = await execute("bash", ["-ec", typed + more], { env: environment, maxBuffer: 64 * 1024 ** 2 });
    return shell.stdout + shell.stderr;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`${typed}${more}:\n${stdout.slice(-4000)}\n${stderr.slice(-6000)}`);
  }
}

describe("13 docs/deploy.md, typed as it stands", () => {
  const deploy = commandsOf("Without a GPU quota");

  beforeAll(async () => {
    const [write = "", bootstrap = "", make = ""] = deploy;
    expect([write, bootstrap, make].map((line) => line.split(" ").slice(0, 3).join(" "))).toEqual([
      expect.stringMatching(/^echo/),
      "npx cdk bootstrap",
      "npx cdk deploy",
    ]);
    await type(write);
    const given = JSON.parse(readFileSync(configuration, "utf8"));
    expect(given.compute.kind).toBe("fargate");
    // Its own name, and the times of a test.
    writeFileSync(configuration, JSON.stringify({ ...given, environment: "document", intake: { windowSeconds: 2 } }));
    await type(bootstrap, ` -c config=${configuration}`);
    const output = join(folder, "cdk.out");
    await type(make, ` --method direct --require-approval never --output ${output}`);
    await cloud.emulator.poller.start();
  }, 600_000);

  it("deploys, finds all in order and sends an image through", async () => {
    const doctor = deploy.find((line) => line.includes("doctor")) ?? "";

    expect(await type(doctor)).toContain("smoke test superpixels");
  });

  it("uploads a folder, and has its masks here", async () => {
    const [upload = "", status = "", results = ""] = deploy.slice(deploy.findIndex((line) => line.includes("upload")));
    const images = readdirSync("examples/images").length;

    expect(await type(upload)).toContain(String(images));
    const watched = await type(status);
    // The last one that is told of; the smoke test's has ended just before.
    const run = [...watched.matchAll(/\br-[\w-]+/g)].at(-1)?.[0] ?? "";
    await type(results.replace("RUN", run).replace(/ && npx clustseg view.*/, ""));

    // Events may have come as two batches, which are two runs.
    const fetched = readdirSync(masks, { recursive: true }).filter((file) => String(file).endsWith("metadata.json"));
    expect(fetched.length, watched).toBeGreaterThan(0);
  });

  it("is removed with all that costs; the buckets are kept", async () => {
    const settings = {
      endpoint: cloud.emulator.proxy.url,
      region,
      credentials: { accessKeyId: "test", secretAccessKey: "emulator" },
    };
    const client = new CloudFormationClient(settings);
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName: stackName }));
    const kept = Stacks[0]?.Outputs?.find(({ OutputKey }) => OutputKey === "BucketsKept")?.OutputValue ?? "";
    const buckets = kept.split(/[\s,]+/).filter(Boolean);
    expect(buckets).toHaveLength(3);

    const batch = new BatchClient(settings);
    const machines = async () => {
      const { computeEnvironments = [] } = await batch.send(new DescribeComputeEnvironmentsCommand({}));
      const { jobQueues = [] } = await batch.send(new DescribeJobQueuesCommand({}));
      return [...computeEnvironments, ...jobQueues].filter((one) => JSON.stringify(one).includes(stackName)).length;
    };
    expect(await machines()).toBeGreaterThan(1);

    const [destroy = ""] = commandsOf("Change it, and remove it");
    await type(destroy, " --force");

    await expect(client.send(new DescribeStacksCommand({ StackName: stackName }))).rejects.toThrow(/does not exist/);
    for (const Bucket of buckets) await cloud.s3.send(new HeadBucketCommand({ Bucket }));
    expect(await machines()).toBe(0);
  });
});
