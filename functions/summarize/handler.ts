import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import {
  eventSource,
  parseValue,
  pipelinePrefix,
  type SummarizeOutput,
  summarizeInputSchema,
} from "../../layers/pipeline/cloud-contracts.js";
import { systemClock } from "../../layers/pipeline/ports.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { clientDefaults, openS3, openStore } from "../aws.js";
import { readEnvironment } from "../environment.js";
import { countMetric, openTelemetry, traced } from "../telemetry.js";
import { type RunNotice, summarizeRun } from "./summarize-run.js";

const settings = readEnvironment(process.env, ["staging", "results", "pipelines", "eventBus", "endpoint"]);
const client = openS3(settings.endpoint);
const staging = openStore(client, settings.staging);
const bus = new EventBridgeClient(clientDefaults);
const telemetry = openTelemetry("summarize");

/** EventBridge takes ten events a request. */
const eventsAtOnce = 10;
const attempts = 4;

/** Input: `summarizeInputSchema`. */
export async function handler(event: unknown): Promise<SummarizeOutput> {
  const input = parseValue(summarizeInputSchema, event, "EVENT_INVALID", "the input of summarize");
  const { pipeline, run_id: run } = input;
  return traced(telemetry, { pipeline, run }, async () => {
    if (input.error !== undefined) telemetry.logger.error("the run has failed", { ...input.error });
    const summary = await summarizeRun(input, {
      staging,
      resultsOf: ({ name }) => openStore(client, settings.results, pipelinePrefix(name)),
      pipelines: settings.pipelines,
      clock: systemClock,
      notify,
    });
    countMetric(telemetry, summary.status === "completed" ? "RunsCompleted" : "RunsFailed", 1);
    countMetric(telemetry, "ImagesSkipped", summary.items.skipped);
    telemetry.logger.info("summarized", { ...summary });
    return summary;
  });
}

/** At least once: an attempt that dies in between tells some of them again. */
async function notify(notices: readonly RunNotice[]): Promise<void> {
  for (let at = 0; at < notices.length; at += eventsAtOnce) {
    let batch = notices.slice(at, at + eventsAtOnce);
    for (let attempt = 0; batch.length > 0; attempt++) {
      if (attempt === attempts) {
        throw new ClustsegError("STORE_UNAVAILABLE", `${batch.length} events were not taken by EventBridge`, {
          hint: "Look at the event bus and its quotas.",
        });
      }
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, 2 ** attempt * 100));
      const { Entries = [] } = await bus.send(
        new PutEventsCommand({
          Entries: batch.map(({ type, detail }) => ({
            EventBusName: settings.eventBus,
            Source: eventSource,
            DetailType: type,
            Detail: JSON.stringify(detail),
          })),
        }),
      );
      batch = batch.filter((_, i) => Entries[i]?.ErrorCode !== undefined);
    }
  }
}
