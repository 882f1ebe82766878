import {
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { told } from "./cloud-errors.js";
import type { QueueDepth, QueueMessage, Queues } from "./ports.js";

const batch = 10;
/** Long enough to be moved, short enough that a move that was stopped can be repeated soon. */
const hiddenSeconds = 120;

/** SQS. */
export class AwsQueues implements Queues {
  // The address that the stack states is the queue's name; where it is answered is the endpoint's business.
  readonly #client = new SQSClient({ useQueueUrlAsEndpoint: false });

  async depth(url: string): Promise<QueueDepth> {
    const { Attributes = {} } = await told(
      `reading the queue ${nameOfQueue(url)}`,
      this.#client.send(
        new GetQueueAttributesCommand({
          QueueUrl: url,
          AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        }),
      ),
    );
    return {
      waiting: Number(Attributes["ApproximateNumberOfMessages"] ?? 0),
      inFlight: Number(Attributes["ApproximateNumberOfMessagesNotVisible"] ?? 0),
    };
  }

  async move(
    from: string,
    to: string,
    { signal, onMoved }: { signal: AbortSignal; onMoved(message: QueueMessage): void },
  ): Promise<void> {
    const seen = new Set<string>();
    // What fails again at once comes back while we are still at it: one round of what was there is enough.
    const { waiting } = await this.depth(from);
    while (!signal.aborted && seen.size < Math.max(waiting, 1)) {
      const { Messages: messages = [] } = await told(
        `reading the queue ${nameOfQueue(from)}`,
        this.#client.send(
          new ReceiveMessageCommand({
            QueueUrl: from,
            MaxNumberOfMessages: batch,
            VisibilityTimeout: hiddenSeconds,
            WaitTimeSeconds: 1,
          }),
        ),
      );
      if (messages.length === 0) return;
      for (const message of messages) {
        if (signal.aborted) return;
        const id = message.MessageId ?? "";
        if (!seen.has(id)) {
          await this.#moveOne(from, to, message);
          onMoved({ id, body: message.Body ?? "" });
        }
        seen.add(id);
      }
    }
  }

  async #moveOne(from: string, to: string, { Body, ReceiptHandle }: Message): Promise<void> {
    await told(
      `writing to the queue ${nameOfQueue(to)}`,
      this.#client.send(new SendMessageCommand({ QueueUrl: to, MessageBody: Body ?? "" })),
    );
    await told(
      `deleting from the queue ${nameOfQueue(from)}`,
      this.#client.send(new DeleteMessageCommand({ QueueUrl: from, ReceiptHandle })),
    );
  }
}

function nameOfQueue(url: string): string {
  return url.slice(url.lastIndexOf("/") + 1);
}
