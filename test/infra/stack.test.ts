import { AssetManifestArtifact } from "aws-cdk-lib/cx-api";
import { beforeAll, describe, expect, test } from "vitest";
import { reservation } from "../../infra/compute.js";
import { intakeTimeout } from "../../infra/functions.js";
import { arnOf, resolve } from "./support/resolve.js";
import { makeStack, ofType, one, synth, type Template } from "./support/synth.js";

let template: Template;
beforeAll(async () => {
  // The one that the CDK itself checks, property by property, against CloudFormation's schemas.
  template = await synth({}, { validate: true });
}, 120_000);

const propertiesOf = (type: string, id?: RegExp, of = template) => resolve(of, one(of, type, id).Properties) as Bag;
// biome-ignore lint/suspicious/noExplicitAny: templates are whatever CloudFormation takes.
type Bag = any;
const all = (type: string, of = template): [string, Bag][] =>
  Object.entries(ofType(of, type)).map(([id, { Properties }]) => [id, resolve(of, Properties)]);

describe("buckets", () => {
  test("are private, encrypted, kept when the stack goes, and named where it says so", () => {
    const buckets = Object.entries(ofType(template, "AWS::S3::Bucket"));

    expect(buckets).toHaveLength(3);
    for (const [, bucket] of buckets) {
      expect(bucket.DeletionPolicy).toBe("Retain");
      expect(bucket.Properties.PublicAccessBlockConfiguration).toEqual({
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      });
      expect(JSON.stringify(bucket.Properties.BucketEncryption)).toContain("AES256");
    }
    const kept = String(resolve(template, template.Outputs["BucketsKept"]?.Value)).split(" ");
    expect(kept.sort()).toEqual(buckets.map(([id]) => id.toLowerCase()).sort());
  });

  test("keep versions of uploads for a while, and empty staging", () => {
    const rulesOf = (id: RegExp) => propertiesOf("AWS::S3::Bucket", id).LifecycleConfiguration.Rules;

    expect(propertiesOf("AWS::S3::Bucket", /Uploads/).VersioningConfiguration).toEqual({ Status: "Enabled" });
    expect(rulesOf(/Uploads/)).toContainEqual({
      Status: "Enabled",
      ExpiredObjectDeleteMarker: true,
      NoncurrentVersionExpiration: { NoncurrentDays: 30 },
    });
    expect(rulesOf(/Staging/)).toContainEqual({ Status: "Enabled", ExpirationInDays: 14 });
    // Results are never thrown away.
    expect(JSON.stringify(rulesOf(/Results/))).not.toContain("Expiration");
    for (const id of [/Uploads/, /Staging/, /Results/]) {
      expect(rulesOf(id)).toContainEqual({
        Status: "Enabled",
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 },
      });
    }
  });

  test("take the user's key, and each stage may use it through S3 only", async () => {
    const kmsKeyArn = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f";
    const keyed = await synth({ buckets: { kmsKeyArn, versioning: false } });

    for (const [, bucket] of all("AWS::S3::Bucket", keyed)) {
      const [rule] = bucket.BucketEncryption.ServerSideEncryptionConfiguration;
      expect(rule.ServerSideEncryptionByDefault).toEqual({ SSEAlgorithm: "aws:kms", KMSMasterKeyID: kmsKeyArn });
      expect(rule.BucketKeyEnabled).toBe(true);
      expect(bucket.VersioningConfiguration).toBeUndefined();
    }
    const statements = all("AWS::IAM::Policy", keyed).flatMap(([, { PolicyDocument }]) => PolicyDocument.Statement);
    const withKey = statements.filter(({ Resource }: Bag) => [Resource].flat().includes(kmsKeyArn));
    // intake, plan, publish, summarize, quick, segment and the state machine
    expect(withKey).toHaveLength(7);
    for (const { Condition } of withKey) {
      expect(Condition).toEqual({ StringEquals: { "kms:ViaService": "s3.eu-west-1.amazonaws.com" } });
    }
  });

  test("that exist are used as they are, by their names and prefixes", async () => {
    const buckets = { uploads: { name: "photos", prefix: "in/" }, results: { name: "masks", prefix: "out/" } };
    const existing = await synth({ buckets });

    expect(all("AWS::S3::Bucket", existing).map(([id]) => id)).toEqual([expect.stringMatching(/^BucketsStaging/)]);
    const { Variables } = propertiesOf("AWS::Lambda::Function", /^Functionsplan/, existing).Environment;
    expect(Variables).toMatchObject({ CLUSTSEG_UPLOADS: "s3://photos/in/", CLUSTSEG_RESULTS: "s3://masks/out/" });
    expect(propertiesOf("AWS::Events::Rule", /^IntakeUploads/, existing).EventPattern.detail).toEqual({
      bucket: { name: ["photos"] },
      object: { key: [{ prefix: "in/" }] },
    });
    const publish = all("AWS::IAM::Policy", existing).find(([id]) => id.startsWith("FunctionspublishRole"))?.[1];
    expect(JSON.stringify(publish)).toContain("arn:aws:s3:::masks/out/superpixels/*");
    const next = String(resolve(existing, existing.Outputs["NextSteps"]?.Value));
    expect(next).toContain("put-bucket-notification-configuration --bucket photos");
    expect(String(resolve(existing, existing.Outputs["BucketsKept"]?.Value))).toMatch(/^bucketsstaging\w+$/);
  });
});

describe("the way in", () => {
  test("leads from what is created in the uploads bucket to the queue, and nowhere else", () => {
    const rule = propertiesOf("AWS::Events::Rule", /^IntakeUploads/);

    expect(propertiesOf("AWS::S3::Bucket", /Uploads/).NotificationConfiguration).toEqual({
      EventBridgeConfiguration: { EventBridgeEnabled: true },
    });
    for (const id of [/Staging/, /Results/]) {
      expect(propertiesOf("AWS::S3::Bucket", id).NotificationConfiguration).toBeUndefined();
    }
    expect(rule.EventPattern).toEqual({
      source: ["aws.s3"],
      "detail-type": ["Object Created"],
      detail: { bucket: { name: [propertiesOf("AWS::S3::BucketPolicy", /Uploads/).Bucket] } },
    });
    expect(rule.Targets).toHaveLength(1);
    expect(rule.Targets[0].DeadLetterConfig.Arn).toMatch(/IntakeDeadLetters/);
  });

  test("hides messages for six times intake's timeout, and lays poison aside for a fortnight", () => {
    const queue = propertiesOf("AWS::SQS::Queue", /^IntakeQueue/);
    const intake = propertiesOf("AWS::Lambda::Function", /^Functionsintake/);

    expect(intake.Timeout).toBe(intakeTimeout.toSeconds());
    expect(queue.VisibilityTimeout).toBeGreaterThanOrEqual(6 * intake.Timeout);
    expect(queue.RedrivePolicy).toEqual({
      deadLetterTargetArn: expect.stringMatching(/IntakeDeadLetters/),
      maxReceiveCount: 5,
    });
    expect(propertiesOf("AWS::SQS::Queue", /DeadLetters/).MessageRetentionPeriod).toBe(14 * 86_400);
    for (const [, { SqsManagedSseEnabled }] of all("AWS::SQS::Queue")) expect(SqsManagedSseEnabled).toBe(true);
  });

  test("gives intake batches, and takes back only what failed", async () => {
    const mapping = propertiesOf("AWS::Lambda::EventSourceMapping");

    expect(mapping).toMatchObject({
      BatchSize: 500,
      MaximumBatchingWindowInSeconds: 5,
      FunctionResponseTypes: ["ReportBatchItemFailures"],
      ScalingConfig: { MaximumConcurrency: 10 },
    });
    const atOnce = await synth({ intake: { batchSize: 10, windowSeconds: 0 } });
    expect(propertiesOf("AWS::Lambda::EventSourceMapping", /./, atOnce).MaximumBatchingWindowInSeconds).toBeUndefined();
  });
});

describe("functions", () => {
  test("run on Node 22 with a role and a log of their own, and logs do not stay for ever", () => {
    const functions = all("AWS::Lambda::Function");
    const groups = all("AWS::Logs::LogGroup");

    expect(functions).toHaveLength(5);
    expect(new Set(functions.map(([, { Role }]) => Role)).size).toBe(5);
    expect(new Set(functions.map(([, { LoggingConfig }]) => LoggingConfig.LogGroup)).size).toBe(5);
    for (const [, { Runtime, Architectures, TracingConfig }] of functions) {
      expect([Runtime, Architectures, TracingConfig]).toEqual(["nodejs22.x", ["x86_64"], { Mode: "Active" }]);
    }
    expect(groups).toHaveLength(7);
    for (const [id, { RetentionInDays }] of groups) {
      expect(RetentionInDays).toBe(30);
      expect(template.Resources[id]?.DeletionPolicy).toBe("Delete");
    }
  });

  test("have the native modules and the bundles where they segment, and nowhere else", () => {
    for (const [id, { Layers = [] }] of all("AWS::Lambda::Function")) {
      expect(Layers).toHaveLength(id.startsWith("Functionsquick") ? 2 : 0);
    }
    expect(propertiesOf("AWS::Lambda::Function", /quick/)).toMatchObject({
      MemorySize: 3008,
      Timeout: 300,
      Environment: { Variables: { CLUSTSEG_PROVIDER: "cpu", CLUSTSEG_MODELS: "/opt/models" } },
    });
  });

  test("are one fewer when the quick path is off", async () => {
    const off = await synth({ quick: "off" });

    expect(all("AWS::Lambda::Function", off)).toHaveLength(4);
    expect(all("AWS::Lambda::LayerVersion", off)).toHaveLength(0);
    expect(propertiesOf("AWS::Lambda::Function", /^Functionsplan/, off).Environment.Variables.CLUSTSEG_QUICK).toBe(
      "off",
    );
  });
});

describe("the container on GPU machines", () => {
  test("gets Spot first, then On-Demand, from nothing and back to nothing", () => {
    const environments = all("AWS::Batch::ComputeEnvironment").map(([, one]) => one.ComputeResources);
    const order = propertiesOf("AWS::Batch::JobQueue").ComputeEnvironmentOrder;

    expect(environments.map(({ Type, AllocationStrategy }) => [Type, AllocationStrategy])).toEqual([
      ["SPOT", "SPOT_PRICE_CAPACITY_OPTIMIZED"],
      ["EC2", "BEST_FIT_PROGRESSIVE"],
    ]);
    for (const { MinvCpus, MaxvCpus, Ec2Configuration, InstanceTypes, LaunchTemplate } of environments) {
      expect(LaunchTemplate.Version).toBe("$Latest");
      expect([MinvCpus, MaxvCpus]).toEqual([0, 16]);
      expect(Ec2Configuration).toEqual([{ ImageType: "ECS_AL2023_NVIDIA" }]);
      expect(InstanceTypes).toContain("g4dn.xlarge");
      expect(InstanceTypes).not.toContain("optimal");
    }
    expect(order.map(({ ComputeEnvironment, Order }: Bag) => [/Spot/.test(ComputeEnvironment), Order])).toEqual([
      [true, 1],
      [false, 2],
    ]);
  });

  test("is served by share, uploads before bulk", () => {
    const queue = propertiesOf("AWS::Batch::JobQueue");
    const { FairsharePolicy } = propertiesOf("AWS::Batch::SchedulingPolicy");

    expect(queue.SchedulingPolicyArn).toMatch(/scheduling-policy/);
    expect(FairsharePolicy).toEqual({
      ComputeReservation: 25,
      ShareDecaySeconds: 300,
      ShareDistribution: [
        { ShareIdentifier: "upload", WeightFactor: 0.25 },
        { ShareIdentifier: "bulk", WeightFactor: 1 },
      ],
    });
  });

  test.each([
    [{ vcpus: 4, maxVcpus: 4 }, 0],
    [{ vcpus: 4, maxVcpus: 5 }, 0],
    [{ vcpus: 3, maxVcpus: 4 }, 25],
    [{ vcpus: 4, maxVcpus: 16 }, 25],
  ])("keeps vCPUs for uploads only where a job fits beside them: %j, %i %%", (config, percent) => {
    expect(reservation(config)).toBe(percent);
  });

  test("begins its only job at once when no more vCPUs than it takes are allowed", async () => {
    const small = await synth({ compute: { maxVcpus: 4 } });

    expect(propertiesOf("AWS::Batch::SchedulingPolicy", /./, small).FairsharePolicy.ComputeReservation ?? 0).toBe(0);
  });

  test("does not wait for ever for a machine", () => {
    const limits = propertiesOf("AWS::Batch::JobQueue").JobStateTimeLimitActions;

    expect(limits.map(({ Reason, MaxTimeSeconds }: Bag) => [Reason, MaxTimeSeconds])).toEqual([
      ["CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY", 240 * 60],
      ["MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE", 600],
      ["MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT", 600],
    ]);
    for (const { Action, State } of limits) expect([Action, State]).toEqual(["CANCEL", "RUNNABLE"]);
  });

  test("is tried again after a reclaim, exit 75 or a signal that killed it, and after nothing else", () => {
    const job = propertiesOf("AWS::Batch::JobDefinition");

    expect(job.RetryStrategy).toEqual({
      Attempts: 5,
      EvaluateOnExit: [
        { Action: "RETRY", OnStatusReason: "Host EC2*" },
        { Action: "RETRY", OnExitCode: "75" },
        { Action: "RETRY", OnExitCode: "13*" },
        { Action: "RETRY", OnReason: "CannotPullContainerError:*" },
        { Action: "EXIT", OnReason: "*" },
      ],
    });
    expect(job.Timeout).toEqual({ AttemptDurationSeconds: 3600 });
  });

  test("is told its own time, as Batch does not try a job again that it has timed out", async () => {
    const jobOf = (of: Template) => propertiesOf("AWS::Batch::JobDefinition", /./, of);
    const short = jobOf(await synth({ compute: { timeoutMinutes: 7 } }));

    for (const [job, seconds] of [
      [jobOf(template), 3600],
      [short, 420],
    ] as const) {
      expect(job.Timeout).toEqual({ AttemptDurationSeconds: seconds });
      expect(job.ContainerProperties.Environment).toContainEqual({
        Name: "CLUSTSEG_JOB_SECONDS",
        Value: String(seconds),
      });
    }
  });

  test.each([
    [{}, { VARIANT: "cuda", CUDA_MAJOR: "12" }],
    [{ cudaMajor: 13 }, { VARIANT: "cuda", CUDA_MAJOR: "13" }],
    [{ kind: "fargate" }, { VARIANT: "cpu" }],
  ])("is built for the machine that it runs on: %j", async (compute, expected) => {
    const { app } = await makeStack({ compute });

    const manifests = app.synth().artifacts.filter(AssetManifestArtifact.isAssetManifestArtifact);
    const images = manifests.flatMap(({ contents }) => Object.values(contents.dockerImages ?? {}));
    expect(images.map(({ source }) => source.dockerBuildArgs)).toEqual([expected]);
  });

  test("has one GPU, a root that cannot be written, a /tmp that can, and no privileges", () => {
    const { ContainerProperties: container } = propertiesOf("AWS::Batch::JobDefinition");

    expect(container.ResourceRequirements).toContainEqual({ Type: "GPU", Value: "1" });
    expect(container).toMatchObject({ ReadonlyRootFilesystem: true, Privileged: false });
    expect(container.MountPoints).toEqual([{ ContainerPath: "/tmp", ReadOnly: false, SourceVolume: "tmp" }]);
    expect(container.Environment).toContainEqual({ Name: "CLUSTSEG_PROVIDER", Value: "cuda" });
    expect(container.Environment).toContainEqual({ Name: "AWS_REGION", Value: "eu-west-1" });
    // Two roles: the one that starts the container, and the one that the code in it has.
    expect(container.ExecutionRoleArn).not.toBe(container.JobRoleArn);
  });

  test("is told of its machine by session tokens only, on an encrypted disk", () => {
    const { LaunchTemplateData: data } = propertiesOf("AWS::EC2::LaunchTemplate");

    expect(data.MetadataOptions).toEqual({ HttpTokens: "required", HttpPutResponseHopLimit: 1 });
    expect(data.BlockDeviceMappings[0].Ebs).toMatchObject({
      Encrypted: true,
      DeleteOnTermination: true,
      VolumeSize: 60,
    });
  });

  test.each([
    ["only", ["SPOT"]],
    ["never", ["EC2"]],
  ])("with Spot %s has one environment", async (spot, types) => {
    const other = await synth({ compute: { spot, maxVcpus: 64 } });

    expect(all("AWS::Batch::ComputeEnvironment", other).map(([, one]) => one.ComputeResources.Type)).toEqual(types);
  });
});

describe("the container without a GPU", () => {
  test("runs on Fargate, Spot first, with a public address and no machine's role", async () => {
    const fargate = await synth({ compute: { kind: "fargate" } });
    const { ContainerProperties: container, PlatformCapabilities } = propertiesOf(
      "AWS::Batch::JobDefinition",
      /./,
      fargate,
    );

    expect(all("AWS::Batch::ComputeEnvironment", fargate).map(([, one]) => one.ComputeResources.Type)).toEqual([
      "FARGATE_SPOT",
      "FARGATE",
    ]);
    expect(PlatformCapabilities).toEqual(["FARGATE"]);
    expect(container.NetworkConfiguration).toEqual({ AssignPublicIp: "ENABLED" });
    expect(container.ReadonlyRootFilesystem).toBe(true);
    expect(container.Environment).toContainEqual({ Name: "CLUSTSEG_PROVIDER", Value: "cpu" });
    expect(all("AWS::IAM::InstanceProfile", fargate)).toEqual([]);
  });

  test("runs on machines of the c family with the plain AMI", async () => {
    const cpu = await synth({ compute: { kind: "cpu" } });
    const [, spot] = all("AWS::Batch::ComputeEnvironment", cpu)[0] ?? [];

    expect(spot.ComputeResources.Ec2Configuration).toEqual([{ ImageType: "ECS_AL2023" }]);
    expect(spot.ComputeResources.InstanceTypes[0]).toBe("c7i.xlarge");
    const { ResourceRequirements } = propertiesOf("AWS::Batch::JobDefinition", /./, cpu).ContainerProperties;
    expect(ResourceRequirements.map(({ Type }: Bag) => Type).sort()).toEqual(["MEMORY", "VCPU"]);
  });

  test("can be an image that was pushed before", async () => {
    const pushed = await synth({ compute: { image: { repository: "lab/clustseg", tag: "1.0.0" } } });
    const { Image } = propertiesOf("AWS::Batch::JobDefinition", /./, pushed).ContainerProperties;

    expect(Image).toBe("111122223333.dkr.ecr.eu-west-1.amazonaws.com/lab/clustseg:1.0.0");
    const start = all("AWS::IAM::Policy", pushed).find(([id]) => id.startsWith("ComputeStart"))?.[1];
    expect(JSON.stringify(start)).toContain(":repository/lab/clustseg");
  });
});

describe("the network", () => {
  test("has no NAT gateway, three zones, and S3 by a gateway", () => {
    expect(all("AWS::EC2::NatGateway")).toEqual([]);
    expect(all("AWS::EC2::Subnet")).toHaveLength(3);
    expect(propertiesOf("AWS::EC2::VPCEndpoint").VpcEndpointType).toBe("Gateway");
    for (const [, { MapPublicIpOnLaunch }] of all("AWS::EC2::Subnet")) expect(MapPublicIpOnLaunch).toBe(true);
  });

  test("lets nothing in and HTTPS out", () => {
    const group = propertiesOf("AWS::EC2::SecurityGroup");

    expect(group.SecurityGroupIngress).toBeUndefined();
    expect(all("AWS::EC2::SecurityGroupIngress")).toEqual([]);
    expect(group.SecurityGroupEgress).toEqual([
      { CidrIp: "0.0.0.0/0", IpProtocol: "tcp", FromPort: 443, ToPort: 443, Description: expect.any(String) },
    ]);
  });

  test("can do without public addresses, by interface endpoints", async () => {
    const closed = await synth({ network: { access: "endpoints", zones: 2 } });
    const interfaces = all("AWS::EC2::VPCEndpoint", closed).filter(([, one]) => one.VpcEndpointType === "Interface");

    expect(interfaces).toHaveLength(6);
    expect(all("AWS::EC2::InternetGateway", closed)).toEqual([]);
    expect(all("AWS::EC2::Route", closed)).toEqual([]);
    expect(all("AWS::EC2::Subnet", closed).map(([, one]) => one.MapPublicIpOnLaunch)).toEqual([false, false]);
  });

  test("can be one that is there", async () => {
    const given = await synth({
      network: { vpcId: "vpc-0a1b2c3d", subnetIds: ["subnet-0a0a0a0a", "subnet-0b0b0b0b"] },
    });

    expect(all("AWS::EC2::VPC", given)).toEqual([]);
    expect(all("AWS::EC2::VPCEndpoint", given)).toEqual([]);
    expect(propertiesOf("AWS::EC2::SecurityGroup", /./, given).VpcId).toBe("vpc-0a1b2c3d");
    for (const [, { ComputeResources }] of all("AWS::Batch::ComputeEnvironment", given)) {
      expect(ComputeResources.Subnets).toEqual(["subnet-0a0a0a0a", "subnet-0b0b0b0b"]);
    }
  });
});

describe("the state machine", () => {
  test("is Standard, names what is deployed, and logs without what images are called", () => {
    const machine = propertiesOf("AWS::StepFunctions::StateMachine");
    const definition = JSON.parse(machine.DefinitionString);

    expect(machine.StateMachineType).toBe("STANDARD");
    expect(machine.LoggingConfiguration).toMatchObject({ Level: "ALL", IncludeExecutionData: false });
    expect(machine.TracingConfiguration).toEqual({ Enabled: true });
    expect(definition.States.Plan.Parameters.FunctionName).toMatch(/^arn:aws:lambda:.*:function:Functionsplan/);
    expect(definition.States.Shards.ItemReader.Parameters.Bucket).toMatch(/^bucketsstaging/);
    expect(definition.States.Shards.ResultPath).toBeNull();
    const job = definition.States.Shards.ItemProcessor.States.Segment.Parameters;
    expect(job.JobDefinition).toBe(propertiesOf("AWS::Batch::JobDefinition").JobDefinitionName);
    expect(job.JobQueue).toMatch(/job-queue/);
  });

  test("is known to intake, and waits for the job definition that it names", () => {
    const [id] = Object.keys(ofType(template, "AWS::StepFunctions::StateMachine"));
    const { Variables } = propertiesOf("AWS::Lambda::Function", /^Functionsintake/).Environment;

    expect(Variables.CLUSTSEG_STATE_MACHINE_ARN).toBe(arnOf(template, id as string));
    expect(one(template, "AWS::StepFunctions::StateMachine").DependsOn).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^ComputeJob/),
        expect.stringMatching(/^WorkflowRoleDefaultPolicy/),
      ]),
    );
  });
});

describe("monitoring", () => {
  test("has an alarm for each thing that needs a person, and each says what to do", () => {
    const alarms = all("AWS::CloudWatch::Alarm");
    const topic = all("AWS::SNS::Topic")[0]?.[0];

    expect(alarms.map(([id]) => id.replace(/^Monitoring|Alarm[0-9A-F]{8}$/g, "")).sort()).toEqual([
      "DeadLetters",
      "FailedFunctions",
      "FailedRuns",
      "OldestMessage",
      "RejectedImages",
      "StuckJobs",
    ]);
    for (const [, { AlarmActions, TreatMissingData, AlarmDescription }] of alarms) {
      expect(AlarmActions).toEqual([arnOf(template, topic as string)]);
      expect(TreatMissingData).toBe("notBreaching");
      expect(AlarmDescription.length).toBeGreaterThan(40);
    }
  });

  test("takes a count that was not sent for zero, so that an hour of bad images alone is an alarm", () => {
    const expressions = all("AWS::CloudWatch::Alarm").flatMap(([, { Metrics = [] }]) =>
      Metrics.flatMap(({ Expression }: Bag) => Expression ?? []),
    );

    expect(expressions).toContain(
      "IF((FILL(rejected, 0) + FILL(segmented, 0)) >= 20, 100 * FILL(rejected, 0) / (FILL(rejected, 0) + FILL(segmented, 0)), 0)",
    );
    expect(expressions).toContain("FILL(failed, 0) + FILL(timedOut, 0)");
    expect(expressions).toHaveLength(3);
    for (const expression of expressions) expect(expression.match(/(?<!FILL\()\b[a-z]\w+/g)).toBeNull();
  });

  test("hears of a blocked queue, of this stack only", () => {
    const rule = propertiesOf("AWS::Events::Rule", /StuckJobs/);

    expect(rule.EventPattern).toEqual({
      source: ["aws.batch"],
      "detail-type": ["Batch Job Queue Blocked"],
      resources: [expect.stringMatching(/job-queue\/ComputeQueue/)],
    });
    expect(rule.Targets[0].Arn).toMatch(/^arn:aws:sns/);
  });

  test("mails when there is an address, and draws a dashboard unless it is off", async () => {
    const other = await synth({ monitoring: { email: "you@example.com", dashboard: false, tracing: false } });

    expect(propertiesOf("AWS::SNS::Subscription", /./, other)).toMatchObject({
      Protocol: "email",
      Endpoint: "you@example.com",
    });
    expect(all("AWS::CloudWatch::Dashboard", other)).toEqual([]);
    expect(other.Outputs["DashboardUrl"]).toBeUndefined();
    for (const [, { TracingConfig }] of all("AWS::Lambda::Function", other)) expect(TracingConfig).toBeUndefined();
    expect(JSON.parse(JSON.stringify(propertiesOf("AWS::CloudWatch::Dashboard").DashboardBody))).toContain(
      "dollars per 1,000 images",
    );
  });
});

describe("the stack", () => {
  test("tells the command line all that it reads", () => {
    const outputs = Object.fromEntries(
      Object.entries(template.Outputs).map(([name, { Value }]) => [name, String(resolve(template, Value))]),
    );

    expect(Object.keys(outputs)).toEqual(
      expect.arrayContaining([
        "UploadsUri",
        "StagingUri",
        "ResultsUri",
        "StateMachineArn",
        "JobQueueName",
        "JobQueueArn",
        "DeadLetterQueueUrl",
        "IntakeQueueUrl",
        "LogGroups",
        "Pipelines",
        "ComputeKind",
        "Region",
        "DashboardUrl",
        "NextSteps",
      ]),
    );
    expect(outputs["UploadsUri"]).toMatch(/^s3:\/\/bucketsuploads\w+\/$/);
    expect(Object.keys(JSON.parse(outputs["LogGroups"] ?? "")).sort()).toEqual([
      "intake",
      "plan",
      "publish",
      "quick",
      "runs",
      "segment",
      "summarize",
    ]);
    expect(JSON.parse(outputs["Pipelines"] ?? "")[0]).toMatchObject({ name: "superpixels", task: "superpixel" });
    expect(outputs["NextSteps"]).toContain("npx clustseg doctor --cloud |");
    expect(outputs["NextSteps"]).toContain("with the same -c as for cdk deploy: npx cdk destroy -c environment=dev");
    expect(outputs["JobQueueName"]).toMatch(/^ComputeQueue/);
  });

  test("prints commands that can be typed in the clone as they are, and that name the stack where they must", async () => {
    const prod = await synth({ environment: "prod" });

    for (const [of, stack] of [
      [template, ""],
      [prod, "clustseg-prod"],
    ] as const) {
      const said = [
        String(resolve(of, of.Outputs["NextSteps"]?.Value)),
        ...all("AWS::CloudWatch::Alarm", of).map(([, { AlarmDescription }]) => String(AlarmDescription)),
        JSON.stringify(propertiesOf("AWS::Events::Rule", /StuckJobs/, of).Targets),
      ].join("\n");
      const commands = said.match(/(?:npx )?\bclustseg (?:doctor|status|logs|redrive)\b[^|.,"\n]*/g) ?? [];
      expect(commands.length).toBeGreaterThanOrEqual(10);
      for (const command of commands) {
        expect(command).toMatch(/^npx /);
        expect(/--stack ([\w-]+)/.exec(command)?.[1] ?? "").toBe(stack);
      }
    }
  });

  test("needs no custom resource, and costs nothing while nothing runs", () => {
    const types = new Set(Object.values(template.Resources).map(({ Type }) => Type));
    // What is paid by the hour, whether used or not. (What alarms and metrics cost a month is in docs/deploy.md.)
    const byTheHour = [
      "AWS::EC2::NatGateway",
      "AWS::EC2::EIP",
      "AWS::EC2::Instance",
      "AWS::KMS::Key",
      "AWS::SecretsManager::Secret",
      "AWS::ElasticLoadBalancingV2::LoadBalancer",
    ];

    expect([...types].filter((type) => type.startsWith("Custom::") || type.includes("CustomResource"))).toEqual([]);
    expect(byTheHour.filter((type) => types.has(type))).toEqual([]);
    expect(Object.keys(template.Resources).length).toBeLessThan(120);
  });

  test("leaves only buckets behind, and what keeps them private", () => {
    const kept = Object.values(template.Resources).filter(({ DeletionPolicy }) => /Retain/.test(DeletionPolicy ?? ""));

    const types = kept.map(({ Type }) => Type).sort();
    expect(types).toEqual([...Array(3).fill("AWS::S3::Bucket"), ...Array(3).fill("AWS::S3::BucketPolicy")]);
  });

  test("of two environments have nothing of one name", async () => {
    const names = (of: Template) =>
      Object.values(of.Resources).flatMap(({ Properties }) =>
        ["JobDefinitionName", "LogGroupName", "DashboardName", "BucketName", "QueueName", "FunctionName", "RoleName"]
          .map((name) => Properties?.[name])
          .filter((name) => typeof name === "string"),
      );
    const prod = await synth({ environment: "prod" });

    expect(names(template).length).toBeGreaterThan(0);
    expect(names(template).filter((name) => names(prod).includes(name))).toEqual([]);
  });
});
