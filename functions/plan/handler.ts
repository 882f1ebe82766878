import {
  executionInputSchema,
  type PlanOutput,
  parseValue,
  pipelinePrefix,
  runOfInput,
} from "../../layers/pipeline/cloud-contracts.js";
import { systemClock } from "../../layers/pipeline/ports.js";
import { openS3, openStore } from "../aws.js";
import { readEnvironment } from "../environment.js";
import { countMetric, openTelemetry, traced } from "../telemetry.js";
import { planRun } from "./plan-run.js";
import { submittedSource } from "./submitted-source.js";

const settings = readEnvironment(process.env, [
  "uploads",
  "staging",
  "results",
  "pipelines",
  "quick",
  "shard",
  "endpoint",
]);
const client = openS3(settings.endpoint);
const uploads = openStore(client, settings.uploads);
const staging = openStore(client, settings.staging);
const telemetry = openTelemetry("plan");

/** Input: an execution's input. */
export async function handler(event: unknown): Promise<PlanOutput> {
  return traced(telemetry, {}, async () => {
    const input = parseValue(executionInputSchema, event, "EVENT_INVALID", "the execution's input");
    telemetry.logger.appendKeys({ pipeline: input.pipeline, run: runOfInput(input) });
    const planned = await planRun(input, {
      uploads,
      staging,
      resultsOf: ({ name }) => openStore(client, settings.results, pipelinePrefix(name)),
      sourceOf: (submit) => submittedSource(submit, { uploads, staging, open: (uri) => openStore(client, uri) }),
      pipelines: settings.pipelines,
      shard: settings.shard,
      quick: settings.quick,
      clock: systemClock,
    });
    telemetry.logger.info("planned", { run: planned.run_id, ...planned });
    countMetric(telemetry, "ImagesPlanned", planned.items);
    return planned;
  });
}
