import { Stack, type StackProps, Tags } from "aws-cdk-lib";
import type { Construct } from "constructs";
import type { Assets } from "./assets.js";
import { Buckets } from "./buckets.js";
import { Compute } from "./compute.js";
import type { CloudConfig } from "./config.js";
import { Functions, intakeTimeout } from "./functions.js";
import { allow } from "./grants.js";
import { Monitoring } from "./monitoring.js";
import { Network } from "./network.js";
import { addOutputs } from "./outputs.js";
import { IntakeQueue } from "./queue.js";
import { ConfigError } from "./read-config.js";
import type { Recipe } from "./recipes.js";
import { Workflow } from "./workflow.js";

export interface ClustsegStackProps extends StackProps {
  readonly config: CloudConfig;
  readonly recipes: readonly Recipe[];
  readonly assets: Assets;
}

/** A function's variables may have 4 KB together; this leaves room for the others. */
const maxRecipesBytes = 3000;

/** Uploads in, masks and metadata out. */
export class ClustsegStack extends Stack {
  constructor(scope: Construct, id: string, { config, recipes, assets, ...props }: ClustsegStackProps) {
    super(scope, id, {
      ...props,
      stackName: config.stackName,
      description: "ClustSeg: images that land in a bucket become masks and metadata",
      terminationProtection: config.terminationProtection,
    });
    const { kmsKeyArn } = config.buckets;
    const { logDays, tracing } = config.monitoring;
    const buckets = new Buckets(this, "Buckets", {
      config: config.buckets,
      pipelines: recipes.map(({ name }) => name),
    });
    const environment = environmentOf(config, recipes, buckets);

    const intake = new IntakeQueue(this, "Intake", { uploads: buckets.uploads, intakeTimeout });
    const functions = new Functions(this, "Functions", {
      assets,
      buckets,
      kmsKeyArn,
      quick: config.quick,
      logDays,
      tracing,
      environment,
    });
    functions.feedFrom(intake.queue, config.intake);

    const network = new Network(this, "Network", { config: config.network, buckets });
    const compute = new Compute(this, "Compute", {
      config: config.compute,
      network,
      buckets,
      kmsKeyArn,
      assets,
      logDays,
      environment,
      jobName: `${config.stackName}-segment`,
    });

    const workflow = new Workflow(this, "Workflow", {
      functions,
      compute,
      staging: buckets.staging,
      kmsKeyArn,
      shards: config.shards,
      logDays,
      tracing,
    });
    functions.intake.addEnvironment("CLUSTSEG_STATE_MACHINE_ARN", workflow.machine.stateMachineArn);
    functions.intake.addToRolePolicy(allow(["states:StartExecution"], [workflow.machine.stateMachineArn]));

    const monitoring = new Monitoring(this, "Monitoring", {
      config: config.monitoring,
      computeConfig: config.compute,
      intake,
      functions,
      compute,
      workflow,
    });
    addOutputs(this, { config, recipes, buckets, intake, functions, compute, workflow, monitoring });

    const tags = { "clustseg:environment": config.environment, ...config.tags };
    for (const [name, value] of Object.entries(tags)) Tags.of(this).add(name, value);
  }
}

/** What functions and container are told (functions/environment.ts reads it). */
function environmentOf(config: CloudConfig, recipes: readonly Recipe[], buckets: Buckets): Record<string, string> {
  const { quick, shards, failureBudget } = config;
  const pipelines = JSON.stringify(recipes);
  if (pipelines.length > maxRecipesBytes) {
    throw new ConfigError(
      `pipelines: ${recipes.length} are too many for one stack (${pipelines.length} of ${maxRecipesBytes} bytes). Write fewer, or deploy a second environment for the others.`,
    );
  }
  return {
    CLUSTSEG_UPLOADS: buckets.uploads.uri,
    CLUSTSEG_STAGING: buckets.staging.uri,
    CLUSTSEG_RESULTS: buckets.results.uri,
    CLUSTSEG_PIPELINES: pipelines,
    CLUSTSEG_QUICK: quick === "off" ? "off" : JSON.stringify({ maxImages: quick.maxImages, maxBytes: quick.maxBytes }),
    CLUSTSEG_SHARD: JSON.stringify({ items: shards.items, bytes: shards.bytes }),
    CLUSTSEG_FAILURE_BUDGET: JSON.stringify(failureBudget),
    // The one dimension of our metrics, so that two stacks of an account do not count into each other's.
    POWERTOOLS_SERVICE_NAME: config.stackName,
  };
}
