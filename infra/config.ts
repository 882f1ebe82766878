/**
 * All that can be chosen about the cloud, in one readonly type. It is read from cdk.json's context (`environments.dev`,
 * `environments.prod`) by `read-config.ts` and checked by `config-schema.ts`, which also fills in the defaults named here.
 */
export interface CloudConfig {
  /** Which of the environments this is: part of names, so that dev and prod can live in one account. @default "dev" */
  readonly environment: string;
  /** The CloudFormation stack. @default "clustseg-<environment>" */
  readonly stackName: string;
  /** What is done to each upload; at least one. @default [{ name: "superpixels", model: "clustseg-superpixel" }] */
  readonly pipelines: readonly PipelineConfig[];
  /** Where images come from, and where masks go. @default three buckets of the stack's own */
  readonly buckets: BucketsConfig;
  /** Where the container runs. @default a VPC of the stack's own, without NAT */
  readonly network: NetworkConfig;
  /** What the container runs on. @default GPU, Spot first */
  readonly compute: ComputeConfig;
  /** Small batches of uploads that do not wait for a machine. @default 20 images and 50 MB, in Lambda */
  readonly quick: QuickConfig | "off";
  /** How uploads become runs. @default batches of 500, collected for 5 s */
  readonly intake: IntakeConfig;
  /** How a run is cut. @default 1,000 images or 2 GB a shard, 50 shards at once */
  readonly shards: ShardsConfig;
  /** When a run stops because too many images are rejected. @default more than half, after 100 */
  readonly failureBudget: FailureBudgetConfig;
  /** Alarms, logs and traces. @default on, 30 days of logs */
  readonly monitoring: MonitoringConfig;
  /** The stack cannot be deleted by mistake. @default false */
  readonly terminationProtection: boolean;
  /** Tags on everything that can have one, beside `clustseg:environment`. @default none */
  readonly tags: Readonly<Record<string, string>>;
}

/** One recipe. Results lie below `<results prefix><name>/`. */
export interface PipelineConfig {
  /** Letters a-z, digits and hyphens. @default none: it must be given */
  readonly name: string;
  /** A bundle in models/. @default none: it must be given */
  readonly model: string;
  /** One of the model's tasks. @default the model's first */
  readonly task?: string;
  /** Parameters of the task, by the names in `clustseg models --json`. @default the model's own */
  readonly parameters?: Readonly<Record<string, number>>;
  /** Files beside segments.png and metadata.json. @default none */
  readonly formats: readonly string[];
}

export interface BucketsConfig {
  /** Where images land. The container may only read it. @default a new bucket, any key */
  readonly uploads: BucketConfig;
  /** Work in progress; emptied by a lifecycle rule. @default a new bucket */
  readonly staging: BucketConfig;
  /** Masks and metadata. Never the uploads bucket: that would be a loop. @default a new bucket */
  readonly results: BucketConfig;
  /** ARN of a KMS key that encrypts all three (its policy must let this account's roles use it). @default S3's own keys */
  readonly kmsKeyArn?: string;
  /** Keep old versions of uploads, so that an image that is overwritten while in work still has its result. @default true */
  readonly versioning: boolean;
  /** Days after which old versions of uploads go. @default 30 */
  readonly oldVersionsDays: number;
  /**
   * Days after which what a run wrote into staging goes, at least 3. They count from when an object was written, also while the run is
   * at work: one that takes longer loses its request, plan and shards. A cancelled run can be taken up until then. An existing
   * bucket keeps its own rules. @default 14
   */
  readonly stagingDays: number;
}

export interface BucketConfig {
  /** An existing bucket. It is used as it is: docs/deploy.md says what it needs. @default a new one, kept on destroy */
  readonly name?: string;
  /** Keys begin with this; "" or ends with "/". @default "" */
  readonly prefix: string;
}

export interface NetworkConfig {
  /** An existing VPC; with `subnetIds`. It must reach S3, ECR, ECS and CloudWatch Logs. @default a new VPC */
  readonly vpcId?: string;
  /** Subnets of `vpcId`, best one in each zone. @default none */
  readonly subnetIds: readonly string[];
  /**
   * How instances of the stack's own VPC reach ECR, ECS and CloudWatch Logs. "public-ip": an address of their own while they run
   * and no way in; costs nothing while nothing runs. "endpoints": no way out but six interface endpoints, some $0.01 an hour
   * each and zone, all the time. Neither has a NAT gateway; S3 goes through a gateway endpoint, which is free. @default "public-ip"
   */
  readonly access: "public-ip" | "endpoints";
  /** Availability zones. More zones find Spot capacity sooner; us-west-1 has two. @default 3 */
  readonly zones: number;
  /** Addresses of the stack's own VPC. @default "10.42.0.0/16" */
  readonly cidr: string;
}

export interface ComputeConfig {
  /**
   * "gpu": EC2 with one NVIDIA GPU a job. "fargate": CPU without machines to care for. "cpu": EC2 of the c family, cheaper for
   * steady work. The last two need no GPU quota. @default "gpu"
   */
  readonly kind: ComputeKind;
  /** "first": Spot, then On-Demand when Spot has none; "only" and "never" as they say. @default "first" */
  readonly spot: "first" | "only" | "never";
  /** EC2 types or families. @default gpu: g4dn, g5, g6 (xlarge, 2xlarge); cpu: c7i, c7a, c6i, c6a (xlarge, 2xlarge) */
  readonly instanceTypes: readonly string[];
  /** At most so many vCPUs at once, Spot and On-Demand each. @default 16: four GPUs */
  readonly maxVcpus: number;
  /** Of one job. @default 4 */
  readonly vcpus: number;
  /** Of one job, in MiB. @default gpu: 14,000; fargate: 8,192; cpu: 7,000 */
  readonly memoryMib: number;
  /** How often a job is tried, if its machine was reclaimed or it asks for it (exit 75), as it does near its timeout. @default 5 */
  readonly attempts: number;
  /**
   * Minutes of one try of a job. Two minutes before (at half time, if that is later) it saves what is done and leaves, and the next
   * try goes on there: a shard may take `attempts` times as long. @default 60
   */
  readonly timeoutMinutes: number;
  /** A job that no machine was found for is given up after so many minutes, 10 to 1,440. @default 240 */
  readonly waitMinutes: number;
  /** An image that you have pushed to ECR in this account, instead of one built here by Docker. @default built from the assets */
  readonly image?: ImageConfig;
  /**
   * The line of CUDA's libraries in an image that is built here. It must be the one that onnxruntime's provider was made for: the
   * build says so where it is not. 13 needs a driver of the 580 line or later. @default 12
   */
  readonly cudaMajor: 12 | 13;
  /** What a machine costs an hour, for "dollars an image" on the dashboard. @default gpu: 0.526, fargate: 0.198, cpu: 0.1785 */
  readonly dollarsPerHour: number;
}
export type ComputeKind = "gpu" | "fargate" | "cpu";

export interface ImageConfig {
  /** Name of the ECR repository. @default none: it must be given */
  readonly repository: string;
  /** Tag or sha256:… digest. @default none: it must be given */
  readonly tag: string;
}

export interface QuickConfig {
  /** Up to so many images take the quick path. @default 20 */
  readonly maxImages: number;
  /** … if they have no more bytes together. @default 52,428,800 */
  readonly maxBytes: number;
  /** Memory of the function. New accounts have a limit of 3,008. @default 3,008 */
  readonly memoryMib: number;
  /** Longest call; what is left is done by further calls. @default 300 */
  readonly timeoutSeconds: number;
}

export interface IntakeConfig {
  /** Uploads that become one run, at most. @default 500 */
  readonly batchSize: number;
  /** How long uploads are collected. 0 starts at once, with at most 10 in a run. @default 5 */
  readonly windowSeconds: number;
}

export interface ShardsConfig {
  /** Images in a shard: three to five minutes of work. @default 1,000 */
  readonly items: number;
  /** Bytes of images in a shard. @default 2,147,483,648 */
  readonly bytes: number;
  /** Shards in work at once. @default 50 */
  readonly concurrency: number;
  /** Shards that may fail for good before the run is given up. @default 5 */
  readonly tolerated: number;
}

export interface FailureBudgetConfig {
  /** Stop when more than so many images are rejected. @default no such limit */
  readonly maxRejected?: number;
  /** Stop when more than this part of the images worked on is rejected. @default 0.5 */
  readonly maxRatio: number;
  /** … but not before so many were worked on. @default 100 */
  readonly ratioAfter: number;
}

export interface MonitoringConfig {
  /** Alarms are mailed there (AWS asks the address first). @default none: subscribe to the topic yourself */
  readonly email?: string;
  /** Days that logs are kept; one of CloudWatch's own numbers. @default 30 */
  readonly logDays: number;
  /** X-Ray traces of functions and runs. @default true */
  readonly tracing: boolean;
  /** Alarm when the oldest upload has waited so long. @default 15 */
  readonly queueMinutes: number;
  /** Alarm when more than this percentage of an hour's images is rejected. @default 20 */
  readonly rejectedPercent: number;
  /** The dashboard; the first three of an account are free, each further one $3 a month. @default true */
  readonly dashboard: boolean;
}
