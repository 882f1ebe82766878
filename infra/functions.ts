import { Duration, RemovalPolicy } from "aws-cdk-lib";
import { ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Architecture, Code, Function as Lambda, LayerVersion, Runtime, Tracing } from "aws-cdk-lib/aws-lambda";
import { SqsEventSource } from "aws-cdk-lib/aws-lambda-event-sources";
import { LogGroup, type RetentionDays } from "aws-cdk-lib/aws-logs";
import type { IQueue } from "aws-cdk-lib/aws-sqs";
import { NagSuppressions } from "cdk-nag";
import { Construct } from "constructs";
import type { Assets } from "./assets.js";
import type { Buckets } from "./buckets.js";
import type { IntakeConfig, QuickConfig } from "./config.js";
import { bareRole, bucketStatements, eventStatement, logStatement, type Stage } from "./grants.js";

/** How long intake may take for a batch; the queue's visibility timeout follows from it. */
export const intakeTimeout = Duration.seconds(60);

interface FunctionSettings {
  readonly description: string;
  readonly stage: Stage;
  /** MiB; 1,769 is one whole vCPU. */
  readonly memory: number;
  readonly timeout: Duration;
}

/** plan, publish and summarize stream: memory is bought for the vCPU and the network that come with it. */
const settings = {
  intake: { stage: "intake", memory: 512, timeout: intakeTimeout, description: "uploads become a run" },
  plan: { stage: "plan", memory: 1769, timeout: Duration.minutes(15), description: "a run becomes shards" },
  publish: { stage: "publish", memory: 1769, timeout: Duration.minutes(15), description: "packs become results" },
  summarize: {
    stage: "summarize",
    memory: 1769,
    timeout: Duration.minutes(15),
    description: "outcomes become a report",
  },
} as const satisfies Record<string, FunctionSettings>;

export interface FunctionsProps {
  readonly assets: Assets;
  readonly buckets: Buckets;
  readonly kmsKeyArn: string | undefined;
  readonly quick: QuickConfig | "off";
  readonly logDays: RetentionDays;
  readonly tracing: boolean;
  /** Of every function; a function takes from it what it needs. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The stages that are functions: each with its own role and its own log. */
export class Functions extends Construct {
  readonly intake: Lambda;
  readonly plan: Lambda;
  readonly publish: Lambda;
  readonly summarize: Lambda;
  /** Absent when the quick path is off. */
  readonly quick: Lambda | undefined;
  /** By the name of the function. */
  readonly logGroups = new Map<string, LogGroup>();

  constructor(scope: Construct, id: string, props: FunctionsProps) {
    super(scope, id);
    this.intake = this.#function("intake", settings.intake, props);
    this.plan = this.#function("plan", settings.plan, props);
    this.publish = this.#function("publish", settings.publish, props);
    this.summarize = this.#function("summarize", settings.summarize, props);
    this.summarize.addToRolePolicy(eventStatement(this));
    this.quick = props.quick === "off" ? undefined : this.#quick(props, props.quick);
  }

  get all(): ReadonlyMap<string, Lambda> {
    const { intake, plan, publish, summarize, quick } = this;
    return new Map(Object.entries({ intake, plan, publish, summarize, ...(quick === undefined ? {} : { quick }) }));
  }

  /** Uploads are collected for a moment, so that two hundred at once are one run and not two hundred. */
  feedFrom(queue: IQueue, { batchSize, windowSeconds }: IntakeConfig): void {
    this.intake.addEventSource(
      new SqsEventSource(queue, {
        batchSize,
        ...(windowSeconds > 0 ? { maxBatchingWindow: Duration.seconds(windowSeconds) } : {}),
        // One bad message does not bring the others of its batch back.
        reportBatchItemFailures: true,
        maxConcurrency: 10,
      }),
    );
  }

  /** The same segment code on CPU, with the native modules and the bundles in layers. */
  #quick(props: FunctionsProps, { memoryMib, timeoutSeconds }: QuickConfig): Lambda {
    const layer = (name: "native" | "models", description: string) =>
      new LayerVersion(this, `${name}Layer`, {
        code: Code.fromAsset(props.assets.layer(name)),
        compatibleRuntimes: [Runtime.NODEJS_22_X],
        compatibleArchitectures: [Architecture.X86_64],
        description: `clustseg: ${description}`,
        removalPolicy: RemovalPolicy.DESTROY,
      });
    const quick: FunctionSettings = {
      stage: "segment",
      memory: memoryMib,
      timeout: Duration.seconds(timeoutSeconds),
      description: "small batches of images are segmented here",
    };
    const environment = { ...props.environment, CLUSTSEG_PROVIDER: "cpu", CLUSTSEG_MODELS: "/opt/models" };
    const made = this.#function("quick", quick, { ...props, environment });
    made.addLayers(layer("native", "sharp and onnxruntime"), layer("models", "bundles"));
    return made;
  }

  #function(name: string, { stage, memory, timeout, description }: FunctionSettings, props: FunctionsProps): Lambda {
    const { assets, buckets, kmsKeyArn, logDays, tracing, environment } = props;
    const logGroup = new LogGroup(this, `${name}Logs`, { retention: logDays, removalPolicy: RemovalPolicy.DESTROY });
    this.logGroups.set(name, logGroup);
    const role = bareRole(this, `${name}Role`, new ServicePrincipal("lambda.amazonaws.com"), `clustseg: ${name}`);
    const statements = [logStatement(logGroup), ...bucketStatements(this, stage, buckets, kmsKeyArn)];
    for (const statement of statements) role.addToPolicy(statement);
    NagSuppressions.addResourceSuppressions(
      role,
      [
        {
          id: "AwsSolutions-IAM5",
          reason:
            "Keys below a bucket's prefix are not known before; X-Ray has no resources. No action has a wildcard.",
        },
      ],
      true,
    );
    const made = new Lambda(this, name, {
      description: `clustseg: ${description}`,
      runtime: Runtime.NODEJS_22_X,
      architecture: Architecture.X86_64,
      handler: "index.handler",
      code: Code.fromAsset(assets.function(name)),
      memorySize: memory,
      timeout,
      role,
      logGroup,
      tracing: tracing ? Tracing.ACTIVE : Tracing.DISABLED,
      environment: { ...environment },
    });
    NagSuppressions.addResourceSuppressions(made, [
      {
        id: "AwsSolutions-L1",
        reason: "Node 22 is what the container and the tests run; a newer line is taken when they are.",
      },
    ]);
    return made;
  }
}
