import { pipelineNamed } from "../../layers/pipeline/cloud-contracts.js";
import { asClustsegError } from "../../layers/segments/errors.js";
import { openS3, openStore } from "../aws.js";
import { readEnvironment } from "../environment.js";
import { openTelemetry, type Telemetry } from "../telemetry.js";
import { readArguments, usage } from "./arguments.js";
import { checkModels } from "./check.js";
import { type ExitCode, exitCodeOf, exitCodes } from "./exit-code.js";
import { Interruption, listenForSignals, watchDeadline } from "./interruption.js";
import { type JobEnd, segmentJob } from "./job.js";
import { JobReports } from "./reports.js";
import { watchSpotNotice } from "./spot-notice.js";
import { readSurroundings } from "./surroundings.js";

/**
 * The program in the container: one shard, then it ends.
 *
 * ECS kills 30 s after SIGTERM, EC2 takes a Spot instance back 120 s after its notice. Of both, what is left after the grace is
 * for writing the last pack (some MB) and for the graph to come to the end of a tile.
 */
const graceMs = { signal: 15_000, spotNotice: 60_000 };
/** After the grace the last pack is written and the graph is waited for; then the process ends in whatever way it can. */
const lastMs = 12_000;

const exitOf: Readonly<Record<JobEnd["end"], ExitCode>> = {
  complete: exitCodes.complete,
  interrupted: exitCodes.retry,
  stopped: exitCodes.stopped,
};

async function main(argv: readonly string[], environment: NodeJS.ProcessEnv): Promise<ExitCode> {
  const telemetry = openTelemetry("segment");
  const { logger } = telemetry;
  const interruption = new Interruption();
  try {
    const args = readArguments(argv);
    if (args === "help") {
      process.stdout.write(`${usage}\n`);
      return exitCodes.complete;
    }
    if (args === "check") return await check(readEnvironment(environment, ["provider", "models"]), telemetry);
    const { runId, shard, workers } = args;
    const { job, attempt, metadataEndpoint } = readSurroundings(environment);
    logger.appendKeys({ pipeline: args.pipeline, run: runId, shard, job, attempt });
    listenForSignals(interruption, graceMs.signal, (signal) => logger.warn("told to leave", { signal }));
    if (metadataEndpoint !== undefined) {
      const unwatch = watchSpotNotice({
        endpoint: metadataEndpoint,
        onNotice: (notice) => {
          logger.warn("the Spot instance will be taken back", { notice });
          interruption.interrupt("Spot notice", graceMs.spotNotice);
        },
        onUnreachable: (reason) => logger.info("no Spot notices to be had here: SIGTERM alone will tell", { reason }),
      });
      interruption.onRelease(unwatch);
    }
    interruption.overdue.addEventListener("abort", () => endSoon(lastMs));

    const settings = readEnvironment(environment, [
      "uploads",
      "staging",
      "pipelines",
      "failureBudget",
      "provider",
      "models",
      "jobSeconds",
      "endpoint",
    ]);
    const { jobSeconds: seconds } = settings;
    if (seconds !== undefined) {
      // Batch counts from the start of the container, which is this process.
      watchDeadline(interruption, seconds, process.uptime() * 1000, () =>
        logger.warn("the job's time is nearly up", { seconds }),
      );
    }
    const client = openS3(settings.endpoint);
    interruption.onRelease(() => client.destroy());
    const { end, ...rest } = await segmentJob({
      stores: { uploads: openStore(client, settings.uploads), staging: openStore(client, settings.staging) },
      pipeline: pipelineNamed(settings.pipelines, args.pipeline),
      runId,
      shard,
      workers,
      models: settings.models,
      provider: settings.provider,
      failureBudget: settings.failureBudget,
      interruption,
      reports: new JobReports(telemetry),
    });
    const exitCode = exitOf[end];
    logger.info(end, { ...rest, exitCode, seconds: Number(process.uptime().toFixed(2)) });
    return exitCode;
  } catch (thrown) {
    const error = asClustsegError(thrown);
    const exitCode = exitCodeOf(error);
    logger.error(error.message, { code: error.code, hint: error.hint, retryable: error.retryable, exitCode, error });
    return exitCode;
  } finally {
    interruption.release();
  }
}

/** Logs what each bundle does on this machine; @throws ClustsegError when one does not work */
async function check(settings: Parameters<typeof checkModels>[0], { logger }: Telemetry): Promise<ExitCode> {
  await checkModels(settings, (checked) => logger.info("checked", { ...checked }));
  return exitCodes.complete;
}

/**
 * Ends the process if it has not ended by itself by then. By SIGKILL, as process.exit in the middle of a graph aborts it anyway,
 * with a message that looks like a bug; what could be saved was saved.
 */
function endSoon(ms: number): void {
  setTimeout(() => process.kill(process.pid, "SIGKILL"), ms).unref();
}

process.exitCode = await main(process.argv.slice(2), process.env);
