import { beforeAll, describe, expect, test } from "vitest";
import { Account } from "./support/account.js";
import { synth, type Template } from "./support/synth.js";

/** Logical ids of the roles, as they begin. */
const roles = {
  intake: "FunctionsintakeRole",
  plan: "FunctionsplanRole",
  publish: "FunctionspublishRole",
  summarize: "FunctionssummarizeRole",
  quick: "FunctionsquickRole",
  segment: "ComputeSegment",
  machine: "ComputeMachine",
  start: "ComputeStart",
  runs: "WorkflowRole",
} as const;

type Who = keyof typeof roles | "anonymous" | "stranger" | `${string}.amazonaws.com`;

/** [who, what, on which, is it allowed, with this context] */
type Case = [Who, string, string, boolean, Record<string, string>?];

const ecs = "arn:aws:ecs:eu-west-1:111122223333";

/** Keys that look like a pack's, or like the sign to stop, to a pattern, and lie where others read. */
const forged = [
  "runs/r/outcomes/packs/x.jsonl",
  "runs/r/outcomes/packs/00000/0000.pack",
  "runs/r/outcomes/00000/packs/0.jsonl",
  "runs/r/outcomes/00000/packs/0000.jsonl",
  "runs/r/outcomes/skipped-0/packs/0000.pack",
  "runs/r/outcomes/packs/x/attempt.json",
  "runs/r/outcomes/stop.json",
  "runs/r/counts/packs/9.0.100000",
  "runs/r/counts/packs/9.0.100000.pack",
  "runs/r/counts/stop.json",
  "runs/r/shards/packs/0000.pack",
  "runs/r/shards/00000.jsonl",
  "runs/r/outcomes/00000.jsonl",
  "runs/r/outcomes/00000/0000.jsonl",
  "runs/r/counts/00000.0.100000",
  "runs/r/manifest.jsonl",
  "runs/r/list.txt",
  "runs/r/lock.json",
  "runs/r/packs/00000/0000.jsonl",
];

/** "uploads:KEY" is an object, "uploads" the bucket; "arn:…" is itself; others are logical ids, "#" and what follows goes behind. */
const cases: readonly Case[] = [
  // What the container may do, which decodes bytes of strangers, and what it may not, should they take it over.
  ["segment", "s3:GetObject", "uploads:a/b.jpg", true],
  ["segment", "s3:GetObjectVersion", "uploads:a/b.jpg", true],
  ["segment", "s3:ListBucket", "uploads", true],
  ["segment", "s3:PutObject", "staging:runs/r/packs/00000/0000.pack", true],
  ["segment", "s3:GetObject", "staging:runs/r/request.json", true],
  ["segment", "s3:PutObject", "results:superpixels/a.jpg/segments.png", false],
  ["segment", "s3:PutObject", "results:superpixels/a.jpg/metadata.json", false],
  ["segment", "s3:DeleteObject", "results:superpixels/a.jpg/metadata.json", false],
  ["segment", "s3:GetObject", "results:superpixels/a.jpg/metadata.json", false],
  ["segment", "s3:ListBucket", "results", false],
  ["segment", "s3:PutObject", "uploads:a/b.jpg", false],
  ["segment", "s3:DeleteObject", "uploads:a/b.jpg", false],
  ["segment", "s3:DeleteObjectVersion", "uploads:a/b.jpg", false],
  ["segment", "s3:PutObject", "staging:runs/r/stop.json", true],
  ["segment", "s3:DeleteObject", "staging:runs/r/packs/00000/0000.pack", true],
  // Nor can they forge what other stages go by.
  ["segment", "s3:PutObject", "staging:runs/r/request.json", false],
  ["segment", "s3:PutObject", "staging:runs/r/plan.json", false],
  ["segment", "s3:PutObject", "staging:runs/r/map.json", false],
  ["segment", "s3:PutObject", "staging:runs/r/shards/00000.jsonl", false],
  ["segment", "s3:PutObject", "staging:runs/r/outcomes/00000.jsonl", false],
  ["segment", "s3:PutObject", "staging:other/x", false],
  ["segment", "s3:PutObject", "staging:runs/r/packs/00000/attempt.json", true],
  ["segment", "s3:DeleteObject", "staging:runs/r/packs/00000/attempt.json", true],
  // Whatever a run is called, its packs are its packs.
  ["segment", "s3:PutObject", "staging:runs/outcomes/packs/00000/0000.pack", true],
  // A policy's "*" crosses slashes, so that "packs" may stand in the middle of what is no pack.
  ...(["segment", "quick"] as const).flatMap((who) =>
    forged.map((key): Case => [who, "s3:PutObject", `staging:${key}`, false]),
  ),
  ["segment", "s3:DeleteObject", "staging:runs/r/outcomes/packs/00000/0000.pack", false],
  ["segment", "s3:DeleteObject", "staging:runs/r/outcomes/00000.jsonl", false],
  ["segment", "s3:DeleteObject", "staging:runs/r/request.json", false],
  ["segment", "s3:PutBucketPolicy", "staging", false],
  ["segment", "s3:PutObject", "arn:aws:s3:::thief/a.jpg", false],
  ["segment", "states:StartExecution", "WorkflowMachine", false],
  ["segment", "batch:SubmitJob", "ComputeQueue", false],
  ["segment", "lambda:InvokeFunction", "Functionspublish", false],
  ["segment", "sqs:SendMessage", "IntakeQueue", false],
  ["segment", "events:PutEvents", "arn:aws:events:eu-west-1:111122223333:event-bus/default", false],
  ["segment", "iam:PassRole", "FunctionspublishRole", false],
  ["segment", "sts:AssumeRole", "FunctionspublishRole", false],
  ["segment", "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:x", false],
  // The quick function is the same stage.
  ["quick", "s3:GetObject", "uploads:a/b.jpg", true],
  ["quick", "s3:PutObject", "staging:runs/r/packs/00000/0000.pack", true],
  ["quick", "s3:PutObject", "results:superpixels/a.jpg/metadata.json", false],
  ["quick", "s3:GetObject", "results:superpixels/a.jpg/metadata.json", false],
  ["quick", "logs:PutLogEvents", "FunctionsquickLogs#:log-stream:x", true],
  ["quick", "logs:PutLogEvents", "FunctionspublishLogs#:log-stream:x", false],
  // Publish writes results, and cannot even read an image.
  ["publish", "s3:GetObject", "staging:runs/r/packs/00000/0000.pack", true],
  ["publish", "s3:DeleteObject", "staging:runs/r/packs/00000/0000.pack", true],
  ["publish", "s3:PutObject", "results:superpixels/a.jpg/segments.png", true],
  ["publish", "s3:DeleteObject", "results:superpixels/a.jpg/overlay.png", true],
  ["publish", "s3:PutObject", "results:elsewhere/a.jpg/segments.png", false],
  ["publish", "s3:GetObject", "uploads:a/b.jpg", false],
  ["publish", "s3:GetObjectVersion", "uploads:a/b.jpg", false],
  ["publish", "s3:ListBucket", "uploads", false],
  ["publish", "s3:PutObject", "uploads:a/b.jpg", false],
  ["publish", "s3:PutBucketVersioning", "results", false],
  // Plan looks, and cuts.
  ["plan", "s3:ListBucket", "uploads", true],
  ["plan", "s3:GetObject", "uploads:lists/today.txt", true],
  ["plan", "s3:GetObject", "results:superpixels/a.jpg/metadata.json", true],
  ["plan", "s3:PutObject", "staging:runs/r/map.json", true],
  ["plan", "s3:PutObject", "results:superpixels/a.jpg/metadata.json", false],
  ["plan", "s3:PutObject", "uploads:a/b.jpg", false],
  // Summarize writes reports and says so.
  ["summarize", "s3:PutObject", "results:superpixels/report.json", true],
  ["summarize", "s3:PutObject", "results:superpixels/reports/r.items.jsonl", true],
  ["summarize", "s3:GetObject", "results:superpixels/reports/r.json", true],
  ["summarize", "s3:GetObject", "results:superpixels/a.jpg/metadata.json", false],
  ["summarize", "s3:PutObject", "results:superpixels/a.jpg/metadata.json", false],
  ["summarize", "s3:PutObject", "results:superpixels/a.jpg/report.json", false],
  ["summarize", "s3:GetObject", "uploads:a/b.jpg", false],
  [
    "summarize",
    "events:PutEvents",
    "arn:aws:events:eu-west-1:111122223333:event-bus/default",
    true,
    { "events:source": "clustseg" },
  ],
  [
    "summarize",
    "events:PutEvents",
    "arn:aws:events:eu-west-1:111122223333:event-bus/default",
    false,
    { "events:source": "aws.s3" },
  ],
  // Intake takes messages in and starts runs; it sees no image.
  ["intake", "sqs:ReceiveMessage", "IntakeQueue", true],
  ["intake", "sqs:DeleteMessage", "IntakeQueue", true],
  ["intake", "sqs:DeleteMessage", "IntakeDeadLetters", false],
  ["intake", "states:StartExecution", "WorkflowMachine", true],
  ["intake", "states:StopExecution", "WorkflowMachine", false],
  ["intake", "s3:PutObject", "staging:runs/r/manifest.jsonl", true],
  ["intake", "s3:GetObject", "uploads:a/b.jpg", false],
  ["intake", "s3:PutObject", "results:superpixels/a.jpg/metadata.json", false],
  // The state machine calls what it has to, and reads lists of shards only.
  ["runs", "lambda:InvokeFunction", "Functionsplan", true],
  ["runs", "lambda:InvokeFunction", "Functionsintake", false],
  ["runs", "lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:111122223333:function:other", false],
  ["runs", "batch:SubmitJob", "ComputeQueue", true],
  ["runs", "batch:SubmitJob", "arn:aws:batch:eu-west-1:111122223333:job-definition/clustseg-dev-segment:7", true],
  ["runs", "batch:SubmitJob", "arn:aws:batch:eu-west-1:111122223333:job-definition/other:1", false],
  ["runs", "s3:GetObject", "staging:runs/r/map.json", true],
  ["runs", "s3:GetObject", "staging:runs/r/packs/00000/0000.pack", false],
  ["runs", "s3:GetObject", "uploads:a/b.jpg", false],
  ["runs", "states:StartExecution", "WorkflowMachine", true],
  ["runs", "states:StartExecution", "arn:aws:states:eu-west-1:111122223333:stateMachine:other", false],
  // A machine's own role, which a container that was taken over could ask for: no image, no log, no data, and no cluster but Batch's.
  ["machine", "ecs:RegisterContainerInstance", `${ecs}:cluster/AWSBatch-ComputeSpot-1a6929d6`, true],
  ["machine", "ecs:SubmitTaskStateChange", `${ecs}:cluster/AWSBatch-ComputeSpot-1a6929d6`, true],
  ["machine", "ecs:Poll", `${ecs}:container-instance/AWSBatch-ComputeSpot-1a6929d6/0f3c`, true],
  ["machine", "ecs:StartTelemetrySession", `${ecs}:container-instance/AWSBatch-ComputeSpot-1a6929d6/0f3c`, true],
  [
    "machine",
    "ecs:TagResource",
    `${ecs}:container-instance/AWSBatch-ComputeSpot-1a6929d6/0f3c`,
    true,
    { "ecs:CreateAction": "RegisterContainerInstance" },
  ],
  ["machine", "ecs:RegisterContainerInstance", `${ecs}:cluster/shop`, false],
  ["machine", "ecs:DeregisterContainerInstance", `${ecs}:cluster/shop`, false],
  ["machine", "ecs:SubmitTaskStateChange", `${ecs}:cluster/default`, false],
  ["machine", "ecs:Poll", `${ecs}:container-instance/shop/0f3c`, false],
  ["machine", "ecs:Poll", `${ecs}:container-instance/shop/AWSBatch-x/0f3c`, false],
  [
    "machine",
    "ecs:TagResource",
    `${ecs}:container-instance/shop/0f3c`,
    false,
    { "ecs:CreateAction": "RegisterContainerInstance" },
  ],
  ["machine", "s3:GetObject", "uploads:a/b.jpg", false],
  ["machine", "s3:PutObject", "results:superpixels/a.jpg/metadata.json", false],
  ["machine", "ecr:BatchGetImage", "arn:aws:ecr:eu-west-1:111122223333:repository/secret", false],
  ["machine", "logs:PutLogEvents", "FunctionspublishLogs#:log-stream:x", false],
  ["machine", "ecs:RunTask", "arn:aws:ecs:eu-west-1:111122223333:task-definition/x:1", false],
  ["start", "ecr:GetAuthorizationToken", "*", true],
  ["start", "s3:GetObject", "uploads:a/b.jpg", false],
  ["start", "logs:PutLogEvents", "ComputeLogs#:log-stream:x", true],
  // Without TLS, or with an old one, nobody gets anything; nor do those who are not of the account.
  ["segment", "s3:GetObject", "uploads:a/b.jpg", false, { "aws:SecureTransport": "false" }],
  ["publish", "s3:PutObject", "results:superpixels/a.jpg/segments.png", false, { "aws:SecureTransport": "false" }],
  ["publish", "s3:PutObject", "results:superpixels/a.jpg/segments.png", false, { "s3:TlsVersion": "1.1" }],
  ["intake", "sqs:ReceiveMessage", "IntakeQueue", false, { "aws:SecureTransport": "false" }],
  ["anonymous", "s3:GetObject", "results:superpixels/a.jpg/segments.png", false],
  ["anonymous", "s3:PutObject", "uploads:a/b.jpg", false],
  ["stranger", "s3:ListBucket", "uploads", false],
  ["stranger", "sqs:SendMessage", "IntakeQueue", false],
  ["stranger", "sns:Publish", "MonitoringAlarms", false],
  ["stranger", "s3:PutObject", "arn:aws:s3:::thief/a.jpg", true],
  // Services: only for what they are meant, and only on behalf of this stack.
  ["events.amazonaws.com", "sqs:SendMessage", "IntakeQueue", true, { "aws:SourceArn": "@IntakeUploads" }],
  [
    "events.amazonaws.com",
    "sqs:SendMessage",
    "IntakeQueue",
    false,
    { "aws:SourceArn": "arn:aws:events:eu-west-1:444455556666:rule/x" },
  ],
  ["events.amazonaws.com", "sqs:SendMessage", "IntakeDeadLetters", true, { "aws:SourceArn": "@IntakeUploads" }],
  ["cloudwatch.amazonaws.com", "sns:Publish", "MonitoringAlarms", true, { "aws:SourceAccount": "111122223333" }],
  ["cloudwatch.amazonaws.com", "sns:Publish", "MonitoringAlarms", false, { "aws:SourceAccount": "444455556666" }],
  ["s3.amazonaws.com", "sqs:SendMessage", "IntakeQueue", false],
];

/** Calls through the VPC's endpoint for S3, as all of the container's are: also with a role that could do more. */
const throughEndpoint: readonly Case[] = [
  ["segment", "s3:GetObject", "uploads:a/b.jpg", true],
  ["segment", "s3:PutObject", "staging:runs/r/packs/00000/0000.pack", true],
  ["segment", "s3:DeleteObject", "staging:runs/r/packs/00000/0000.pack", true],
  ["segment", "s3:ListBucket", "staging", true],
  ["segment", "s3:GetObjectVersion", "uploads:a/b.jpg", true],
  ["segment", "s3:PutObject", "results:superpixels/a.jpg/segments.png", false],
  ["publish", "s3:PutObject", "results:superpixels/a.jpg/segments.png", false],
  // With an attacker's own keys, to an attacker's own bucket.
  ["stranger", "s3:PutObject", "arn:aws:s3:::thief/a.jpg", false],
];

describe("what may be done in the account", () => {
  let deployed: Account;
  let template: Template;
  beforeAll(async () => {
    template = await synth();
    deployed = new Account(template);
  }, 60_000);

  const principalOf = (who: Who): string => {
    if (who in roles) return deployed.arn(roles[who as keyof typeof roles]);
    return who === "stranger" ? "arn:aws:iam::444455556666:role/stranger" : who;
  };
  const buckets: Record<string, string> = {
    uploads: "BucketsUploads",
    staging: "BucketsStaging",
    results: "BucketsResults",
  };
  const resourceOf = (text: string): string => {
    if (text === "*" || text.startsWith("arn:")) return text;
    const [place = "", ...key] = text.split(":");
    const bucket = buckets[place];
    if (bucket !== undefined) return [deployed.arn(bucket), ...key].join("/");
    const [id = "", behind = ""] = text.split("#");
    const arn = deployed.arn(id);
    return behind === "" ? arn : `${arn.replace(/:\*$/, "")}${behind}`;
  };
  const contextOf = (given: Record<string, string> = {}) =>
    Object.fromEntries(
      Object.entries(given).map(([key, value]) => [key, value.startsWith("@") ? deployed.arn(value.slice(1)) : value]),
    );
  const judge = ([who, action, resource, , context]: Case, viaEndpoint: boolean) => {
    const call = { principal: principalOf(who), action, resource: resourceOf(resource), context: contextOf(context) };
    return deployed.decide(call, { viaEndpoint });
  };

  test.each<Case>(cases)("%s, %s on %s: %s", (...one) => {
    expect(judge(one, false)).toMatchObject({ allowed: one[3] });
  });

  test.each<Case>(throughEndpoint)("through the endpoint, %s, %s on %s: %s", (...one) => {
    expect(judge(one, true)).toMatchObject({ allowed: one[3] });
  });

  test("is asked often enough, and both ways", () => {
    expect(cases.filter(([, , , allowed]) => allowed).length).toBeGreaterThanOrEqual(30);
    expect(cases.filter(([, , , allowed]) => !allowed).length).toBeGreaterThanOrEqual(40);
  });

  test("roles can be taken by their service alone", () => {
    const services = {
      intake: "lambda.amazonaws.com",
      plan: "lambda.amazonaws.com",
      publish: "lambda.amazonaws.com",
      summarize: "lambda.amazonaws.com",
      quick: "lambda.amazonaws.com",
      segment: "ecs-tasks.amazonaws.com",
      start: "ecs-tasks.amazonaws.com",
      machine: "ec2.amazonaws.com",
      runs: "states.amazonaws.com",
    };
    expect(deployed.roles).toHaveLength(Object.keys(services).length);
    for (const [who, service] of Object.entries(services)) {
      const id = deployed.roles.find((one) => one.startsWith(roles[who as keyof typeof roles]));
      expect(deployed.trustOf(id as string)).toEqual([
        { Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: service }, Resource: "*" },
      ]);
    }
  });

  test("no role has an action with a wildcard, and only calls without resource level have the resource *", () => {
    const withoutResourceLevel = new Set([
      "batch:DescribeJobs",
      "ecr:GetAuthorizationToken",
      "ecs:DiscoverPollEndpoint",
      // How Step Functions delivers its log; AWS documents all of them with "*".
      "logs:CreateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:DescribeLogGroups",
      "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:UpdateLogDelivery",
      "xray:GetSamplingRules",
      "xray:GetSamplingTargets",
      "xray:PutTelemetryRecords",
      "xray:PutTraceSegments",
    ]);
    for (const id of deployed.roles) {
      const statements = deployed.identityOf(id);
      expect(statements.length, id).toBeGreaterThan(0);
      for (const { Effect, Action, Resource } of statements) {
        const actions = [Action].flat() as string[];
        // The one thing that is said to be never allowed: those who decode images may not write what others go by.
        const denies = [roles.segment, roles.quick].some((one) => id.startsWith(one));
        expect(denies ? ["Allow", "Deny"] : ["Allow"], id).toContain(Effect);
        expect(
          actions.filter((action) => action.includes("*")),
          id,
        ).toEqual([]);
        if (![Resource].flat().includes("*")) continue;
        expect(
          actions.filter((action) => !withoutResourceLevel.has(action)),
          id,
        ).toEqual([]);
      }
    }
  });

  test("no resource's policy allows everybody anything", () => {
    const policies = Object.values(template.Resources).filter(
      ({ Type }) => /Policy$/.test(Type) && Type !== "AWS::IAM::Policy" && Type !== "AWS::Batch::SchedulingPolicy",
    );
    const statements = policies.flatMap(({ Properties }) => Properties.PolicyDocument.Statement);
    const open = statements.filter(
      ({ Effect, Principal }) => Effect === "Allow" && (Principal === "*" || [Principal?.AWS].flat().includes("*")),
    );
    expect(policies.length).toBeGreaterThanOrEqual(6);
    expect(open).toEqual([]);
  });
});
