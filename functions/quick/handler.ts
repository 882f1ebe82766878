import { MetricUnit } from "@aws-lambda-powertools/metrics";
import type { Context } from "aws-lambda";
import type { Model } from "../../layers/model/open-model.js";
import { createSegmenter } from "../../layers/model/segmenter.js";
import {
  type Pipeline,
  parseValue,
  type QuickOutput,
  shardInputSchema,
} from "../../layers/pipeline/cloud-contracts.js";
import { openS3, openStore } from "../aws.js";
import { readEnvironment } from "../environment.js";
import { openPipelineModel } from "../pipeline-model.js";
import { openTelemetry, traced } from "../telemetry.js";
import { ColdStartMeter, coldStartText } from "./cold-start.js";
import { quickShard } from "./quick-shard.js";

const settings = readEnvironment(process.env, [
  "uploads",
  "staging",
  "pipelines",
  "failureBudget",
  "models",
  "endpoint",
]);
const client = openS3(settings.endpoint);
const stores = { uploads: openStore(client, settings.uploads), staging: openStore(client, settings.staging) };
const telemetry = openTelemetry("quick");

/** Where the layer with the models is mounted. */
const modelsOfLayer = "/opt/models";
/** Enough to finish the images in hand and write them down. */
const reserveMs = 45_000;

/** Opened once, and kept while the function is warm. */
const models = new Map<string, Promise<Model>>();
const meter = new ColdStartMeter();

/** Input: `shardInputSchema`. */
export async function handler(event: unknown, context: Context): Promise<QuickOutput> {
  const input = parseValue(shardInputSchema, event, "EVENT_INVALID", "the input of quick");
  const { pipeline, run_id: run, shard } = input;
  const coldStart = meter.begin();
  return traced(telemetry, { pipeline, run, shard }, async () => {
    const stop = new AbortController();
    const remaining = context.getRemainingTimeInMillis();
    const timer = setTimeout(() => stop.abort(), remaining - Math.min(reserveMs, remaining / 2));
    const began = performance.now();
    let images = 0;
    try {
      const answer = await quickShard(input, {
        stores,
        pipelines: settings.pipelines,
        failureBudget: settings.failureBudget,
        segmenterOf: async (of) => createSegmenter(await modelOf(of)),
        signal: stop.signal,
        onOutcome: () => images++,
      });
      // Wall time, as SecondsPerImage of the container; by another name, as a second of a function has another price.
      const seconds = (performance.now() - began) / 1000 / images;
      for (let i = 0; i < images; i++) telemetry.metrics.addMetric("QuickSecondsPerImage", MetricUnit.Seconds, seconds);
      telemetry.logger.info("segmented", { ...answer });
      const cold = coldStart();
      if (cold !== undefined) telemetry.logger.info(coldStartText(cold), { ...cold });
      return answer;
    } finally {
      clearTimeout(timer);
    }
  });
}

function modelOf(pipeline: Pipeline): Promise<Model> {
  const key = pipeline.model.name;
  const opening = models.get(key) ?? openPipelineModel(pipeline, settings.models ?? modelsOfLayer, {});
  models.set(key, opening);
  // What failed to open may open next time.
  opening.catch(() => models.delete(key));
  return opening;
}
