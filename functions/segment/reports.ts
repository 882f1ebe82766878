import { MetricUnit } from "@aws-lambda-powertools/metrics";
import type { BundleManifest } from "../../layers/model/bundle.js";
import type { Model } from "../../layers/model/open-model.js";
import type { ItemOutcome } from "../../layers/pipeline/contracts.js";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import { rejectionOf, type Telemetry } from "../telemetry.js";

/**
 * What a job says while it works: JSON lines, with run and shard in each, and metrics within them. Images are counted by
 * publish, where each ends exactly once; here is what only this stage knows: what an image cost, and what was staged.
 */
export class JobReports {
  readonly #telemetry: Telemetry;
  #since = performance.now();
  #stagedBytes = 0;

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
  }

  opened({ provider }: Model, { name, version, graph }: BundleManifest): void {
    const ms = Math.round(performance.now() - this.#since);
    this.#telemetry.logger.info("model opened", { model: `${name}@${version}`, sha256: graph.sha256, provider, ms });
  }

  outcome(outcome: ItemOutcome): void {
    const { logger } = this.#telemetry;
    if (outcome.status === "rejected") logger.warn("rejected", rejectionOf(outcome));
    else if (outcome.status === "segmented") logger.debug("segmented", { item: outcome.key, ms: outcome.ms });
  }

  packed(pack: number, items: number): void {
    const { logger, metrics } = this.#telemetry;
    const now = performance.now();
    const seconds = (now - this.#since) / 1000 / Math.max(1, items);
    this.#since = now;
    logger.info("pack staged", { pack, items, bytes: this.#stagedBytes, secondsPerImage: Number(seconds.toFixed(4)) });
    // Wall time of the machine, which is what is paid for; once an image, so that averages weigh images and not packs.
    for (let i = 0; i < items; i++) metrics.addMetric("SecondsPerImage", MetricUnit.Seconds, seconds);
    metrics.addMetric("BytesStaged", MetricUnit.Bytes, this.#stagedBytes);
    metrics.publishStoredMetrics();
    this.#stagedBytes = 0;
  }

  /** The same store; the bytes that are put are counted. */
  counting(staging: ObjectStore): ObjectStore {
    return {
      uri: staging.uri,
      head: (key) => staging.head(key),
      get: (key, options) => staging.get(key, options),
      lines: (key) => staging.lines(key),
      put: (key, body, options) => {
        this.#stagedBytes += body.length;
        return staging.put(key, body, options);
      },
      putLines: (key, lines) => staging.putLines(key, lines),
      list: (prefix) => staging.list(prefix),
      delete: (key) => staging.delete(key),
    };
  }
}
