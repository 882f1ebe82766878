import { checkResultFiles } from "../../layers/model/check-files.js";
import {
  type PublishOutput,
  parseValue,
  pipelinePrefix,
  shardInputSchema,
} from "../../layers/pipeline/cloud-contracts.js";
import { systemClock } from "../../layers/pipeline/ports.js";
import { openS3, openStore } from "../aws.js";
import { readEnvironment } from "../environment.js";
import { countMetric, openTelemetry, rejectionOf, traced } from "../telemetry.js";
import { publishRunShard } from "./publish.js";

const settings = readEnvironment(process.env, ["staging", "results", "pipelines", "failureBudget", "endpoint"]);
const client = openS3(settings.endpoint);
const staging = openStore(client, settings.staging);
const telemetry = openTelemetry("publish");

/** Input: `shardInputSchema`. */
export async function handler(event: unknown): Promise<PublishOutput> {
  const input = parseValue(shardInputSchema, event, "EVENT_INVALID", "the input of publish");
  const { pipeline, run_id: run, shard } = input;
  return traced(telemetry, { pipeline, run, shard }, async () => {
    const counts = { segmented: 0, rejected: 0, skipped: 0 };
    const published = await publishRunShard(input, {
      staging,
      resultsOf: ({ name }) => openStore(client, settings.results, pipelinePrefix(name)),
      pipelines: settings.pipelines,
      failureBudget: settings.failureBudget,
      checkFiles: checkResultFiles,
      clock: systemClock,
      onOutcome: (outcome) => {
        counts[outcome.status]++;
        if (outcome.status === "rejected") telemetry.logger.warn("rejected", rejectionOf(outcome));
      },
      onRefused: ({ pack, error }) =>
        telemetry.logger.error("a pack was refused", { pack, code: error.code, reason: error.message }),
    });
    countMetric(telemetry, "ImagesSegmented", counts.segmented);
    countMetric(telemetry, "ImagesRejected", counts.rejected);
    telemetry.logger.info("published", { ...published, ...counts });
    return published;
  });
}
