import { Logger } from "@aws-lambda-powertools/logger";
import { Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import type { ItemOutcome } from "../layers/pipeline/contracts.js";
import { asClustsegError } from "../layers/segments/errors.js";

export const metricsNamespace = "ClustSeg";

export interface Telemetry {
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** JSON lines on standard output, and metrics within them (EMF): neither costs a request. @param service such as "publish" */
export function openTelemetry(service: string): Telemetry {
  return {
    logger: new Logger({ serviceName: service }),
    // Counted by stack (infra/stack.ts names it), whatever the stage, for two stacks of an account are two things.
    metrics: new Metrics({
      namespace: metricsNamespace,
      serviceName: process.env["POWERTOOLS_SERVICE_NAME"] ?? service,
    }),
  };
}

/** Add to a count of this invocation. */
export function countMetric({ metrics }: Telemetry, name: string, value: number): void {
  if (value > 0) metrics.addMetric(name, MetricUnit.Count, value);
}

/** What is logged of a rejected image. "message" is the logger's own key, so the error's is its reason. */
export function rejectionOf({ key, error }: Extract<ItemOutcome, { status: "rejected" }>) {
  const { code, message, hint, retryable } = error;
  return { item: key, code, reason: message, hint, retryable };
}

/** An error of Lambda whose name the state machine's retry rules can go by: a code of `errorCodes`. */
class CodedError extends Error {
  constructor(code: string, message: string, options: { cause: unknown }) {
    super(message, options);
    this.name = code;
  }
}

/**
 * Run a stage: run and shard are in every line that is logged, errors are logged and thrown under their stable code, and
 * metrics go out whatever happens.
 */
export async function traced<T>(
  telemetry: Telemetry,
  ids: Readonly<Record<string, string>>,
  stage: () => Promise<T>,
): Promise<T> {
  const { logger, metrics } = telemetry;
  logger.resetKeys();
  logger.appendKeys({ ...ids });
  try {
    return await stage();
  } catch (thrown) {
    const error = asClustsegError(thrown);
    logger.error(error.message, { code: error.code, hint: error.hint, retryable: error.retryable, error });
    throw new CodedError(error.code, `${error.message} ${error.hint}`, { cause: thrown });
  } finally {
    metrics.publishStoredMetrics();
  }
}
