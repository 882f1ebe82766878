import { ExecutionAlreadyExists, SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import { systemClock } from "../../layers/pipeline/ports.js";
import { parseS3Uri } from "../../layers/storage/s3-store.js";
import { clientDefaults, openS3, openStore } from "../aws.js";
import { readEnvironment } from "../environment.js";
import { countMetric, openTelemetry } from "../telemetry.js";
import { receiveMessages } from "./receive.js";

const settings = readEnvironment(process.env, [
  "uploads",
  "staging",
  // Not used, but looked at: where results land among uploads, no run is started.
  "results",
  "pipelines",
  "stateMachineArn",
  "shard",
  "endpoint",
]);
const client = openS3(settings.endpoint);
const stores = { uploads: openStore(client, settings.uploads), staging: openStore(client, settings.staging) };
const machine = new SFNClient(clientDefaults);
const telemetry = openTelemetry("intake");
const { bucket, key: prefix } = parseS3Uri(settings.uploads);

/** Input: a batch of SQS messages, each an event of S3. */
export async function handler(batch: SQSEvent): Promise<SQSBatchResponse> {
  const { logger, metrics } = telemetry;
  try {
    return await receiveMessages(batch, {
      watched: { bucket, prefix },
      stores,
      pipelines: settings.pipelines,
      shard: settings.shard,
      clock: systemClock,
      start: startExecution,
      onRefused: (messageId, error) => {
        logger.warn("a message was refused", { messageId, code: error.code, reason: error.message });
        countMetric(telemetry, "MessagesRefused", 1);
      },
      onStarted: (run) => {
        logger.info("run", { ...run });
        if (run.started === "started") countMetric(telemetry, "ImagesReceived", run.images);
      },
      onFailed: (error) => logger.error(error.message, { code: error.code, hint: error.hint, error }),
    });
  } finally {
    metrics.publishStoredMetrics();
  }
}

async function startExecution(name: string, input: object): Promise<"started" | "exists"> {
  try {
    const stateMachineArn = settings.stateMachineArn;
    await machine.send(new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) }));
    return "started";
  } catch (error) {
    if (error instanceof ExecutionAlreadyExists) return "exists";
    throw error;
  }
}
