import { CloudWatchLogsClient, FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { nameOf, told } from "./cloud-errors.js";
import type { LogEvent, Logs } from "./ports.js";

/** CloudWatch Logs. */
export class AwsLogs implements Logs {
  readonly #client = new CloudWatchLogsClient({});

  async *find(
    group: string,
    text: string,
    { since, signal }: { since: Date; signal?: AbortSignal },
  ): AsyncGenerator<LogEvent> {
    let token: string | undefined;
    do {
      const page = await told(
        `reading the log ${group}`,
        this.#client
          .send(
            new FilterLogEventsCommand({
              logGroupName: group,
              startTime: since.getTime(),
              // A term in quotes is looked for as it is, wherever it stands.
              filterPattern: `"${text.replaceAll('"', "")}"`,
              ...(token === undefined ? {} : { nextToken: token }),
            }),
          )
          .catch((error: unknown) => {
            // Nothing has been written yet, or what writes it is not deployed.
            if (nameOf(error) === "ResourceNotFoundException") return undefined;
            throw error;
          }),
      );
      for (const { timestamp = 0, message = "", logStreamName = "" } of page?.events ?? []) {
        yield { at: new Date(timestamp), stream: logStreamName, text: message.trimEnd() };
      }
      token = page?.nextToken;
    } while (token !== undefined && !signal?.aborted);
  }
}
