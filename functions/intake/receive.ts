import { BatchProcessor, EventType, processPartialResponse } from "@aws-lambda-powertools/batch";
import type { SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import type { UploadEvent } from "../../layers/pipeline/contracts.js";
import { parseUploadMessage, type WatchedPlace } from "../../layers/pipeline/upload-events.js";
import { asClustsegError, type ClustsegError } from "../../layers/segments/errors.js";
import { type StartedRun, type StartPorts, startRuns } from "./start-runs.js";

export interface ReceivePorts extends StartPorts {
  readonly watched: WatchedPlace;
  readonly onRefused: (messageId: string, error: ClustsegError) => void;
  readonly onStarted: (run: StartedRun) => void;
  /** Nothing that could be read has been taken: it comes again. */
  readonly onFailed: (error: ClustsegError) => void;
}

/**
 * Take a batch of messages. One that is no event of S3 fails alone, again and again, and ends in the dead-letter queue. If runs
 * cannot be started, all that told of uploads come again, together or not: runs of theirs that were started are found then, or
 * find that nothing is left to do.
 */
export async function receiveMessages(batch: SQSEvent, ports: ReceivePorts): Promise<SQSBatchResponse> {
  const events: UploadEvent[] = [];
  const useful: string[] = [];
  const read = async ({ body, messageId }: SQSRecord) => {
    try {
      const found = parseUploadMessage(body, ports.watched);
      events.push(...found);
      if (found.length > 0) useful.push(messageId);
    } catch (error) {
      ports.onRefused(messageId, asClustsegError(error));
      throw error;
    }
  };
  const processor = new BatchProcessor(EventType.SQS);
  const { batchItemFailures } = await processPartialResponse(batch, read, processor, {
    throwOnFullBatchFailure: false,
    processInParallel: false,
  });
  try {
    for (const run of await startRuns(events, ports)) ports.onStarted(run);
    return { batchItemFailures };
  } catch (error) {
    ports.onFailed(asClustsegError(error));
    return { batchItemFailures: [...batchItemFailures, ...useful.map((itemIdentifier) => ({ itemIdentifier }))] };
  }
}
