import {
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import type { Functions } from "./functions.js";
import { account, region, unsigned } from "./moto.js";

export interface PollerOptions {
  readonly endpoint: () => string;
  readonly motoUrl: () => string;
  readonly functions: Functions;
  /** Longest wait for a batch to fill, in seconds; a mapping's own window counts when it is shorter. @default 1 */
  readonly longestWindow?: number;
}

interface Mapping {
  readonly UUID: string;
  readonly EventSourceArn: string;
  readonly FunctionArn: string;
  readonly BatchSize?: number;
  readonly MaximumBatchingWindowInSeconds?: number;
  readonly FunctionResponseTypes?: readonly string[];
  readonly State: string;
}

/** Misbehaviour that SQS and S3's events allow themselves; seeded by the caller through `random`. */
export interface Disorder {
  /** 0 to 1, from a seeded generator. */
  readonly random: () => number;
  /** Part of the messages that come a second time, later, as another message. */
  readonly duplicates: number;
  readonly onDuplicate?: () => void;
}

/**
 * SQS's event-source mappings: long polls of each mapped queue, batches to the function, deletes what did not fail.
 * Ours: polling, batching, partial batch failures, and that a failed message is visible again at once instead of after the
 * queue's visibility timeout (minutes). moto's: the queue, receive counts and the dead-letter queue.
 */
export class Poller {
  disorder: Disorder | undefined;
  readonly #options: PollerOptions;
  readonly #client: SQSClient;
  readonly #loops = new Map<string, Promise<void>>();
  #stopped = false;

  constructor(options: PollerOptions) {
    this.#options = options;
    this.#client = new SQSClient({
      endpoint: options.endpoint(),
      region,
      useQueueUrlAsEndpoint: false,
      maxAttempts: 4,
      credentials: { accessKeyId: "poller", secretAccessKey: "emulator" },
    });
  }

  /** Begin to serve the mappings that are deployed now. */
  async start(): Promise<void> {
    const answer = await fetch(`${this.#options.motoUrl()}/2015-03-31/event-source-mappings`, {
      headers: unsigned("lambda"),
    });
    const { EventSourceMappings } = (await answer.json()) as { EventSourceMappings: Mapping[] };
    for (const mapping of EventSourceMappings) {
      if (this.#loops.has(mapping.UUID) || !mapping.EventSourceArn.includes(":sqs:")) continue;
      this.#loops.set(mapping.UUID, this.#serve(mapping));
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops.values());
    this.#client.destroy();
  }

  async #serve(mapping: Mapping): Promise<void> {
    const QueueUrl = `${this.#options.endpoint()}/${account}/${mapping.EventSourceArn.split(":").at(-1)}`;
    while (!this.#stopped) {
      try {
        const messages = await this.#gather(QueueUrl, mapping);
        if (messages.length > 0) await this.#deliver(QueueUrl, mapping, messages);
      } catch {
        // Throttled, or a fault of the fault proxy: what was received comes again.
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  async #gather(QueueUrl: string, mapping: Mapping): Promise<Message[]> {
    const size = mapping.BatchSize ?? 10;
    const seconds = Math.min(mapping.MaximumBatchingWindowInSeconds ?? 0, this.#options.longestWindow ?? 1);
    const messages: Message[] = [];
    let until = Number.POSITIVE_INFINITY;
    while (messages.length < size && Date.now() < until && !this.#stopped) {
      const { Messages = [] } = await this.#client.send(
        new ReceiveMessageCommand({
          QueueUrl,
          MaxNumberOfMessages: Math.min(10, size - messages.length),
          WaitTimeSeconds: messages.length === 0 ? 1 : 0,
          MessageSystemAttributeNames: ["All"],
        }),
      );
      if (messages.length === 0 && Messages.length > 0) until = Date.now() + seconds * 1000;
      messages.push(...Messages);
      if (Messages.length === 0 && messages.length === 0) break;
      if (Messages.length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return messages;
  }

  async #deliver(QueueUrl: string, mapping: Mapping, received: readonly Message[]): Promise<void> {
    const messages = await this.#disturb(QueueUrl, received);
    const event = {
      Records: messages.map(({ MessageId, ReceiptHandle, Body, Attributes, MD5OfBody }) => ({
        messageId: MessageId,
        receiptHandle: ReceiptHandle,
        body: Body,
        attributes: Attributes,
        messageAttributes: {},
        md5OfBody: MD5OfBody,
        eventSource: "aws:sqs",
        eventSourceARN: mapping.EventSourceArn,
        awsRegion: region,
      })),
    };
    const name = mapping.FunctionArn.split(":")[6] ?? "";
    const { payload, functionError } = await this.#options.functions.invoke(name, event);
    const failed = new Set<string | undefined>();
    if (functionError !== undefined) for (const { MessageId } of messages) failed.add(MessageId);
    else if (mapping.FunctionResponseTypes?.includes("ReportBatchItemFailures")) {
      const answer = JSON.parse(payload) as { batchItemFailures?: { itemIdentifier: string }[] } | null;
      for (const { itemIdentifier } of answer?.batchItemFailures ?? []) failed.add(itemIdentifier);
    }
    const done = messages.filter(({ MessageId }) => !failed.has(MessageId));
    for (let at = 0; at < done.length; at += 10) {
      const Entries = done
        .slice(at, at + 10)
        .map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle: ReceiptHandle ?? "" }));
      await this.#client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    }
    for (const { MessageId, ReceiptHandle } of messages) {
      if (!failed.has(MessageId)) continue;
      await this.#client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }));
    }
  }

  /** In another order, and some of them a second time. */
  async #disturb(QueueUrl: string, messages: readonly Message[]): Promise<readonly Message[]> {
    const { disorder } = this;
    if (disorder === undefined) return messages;
    for (const { Body } of messages) {
      if (disorder.random() >= disorder.duplicates) continue;
      disorder.onDuplicate?.();
      const DelaySeconds = Math.floor(disorder.random() * 3);
      await this.#client.send(new SendMessageCommand({ QueueUrl, MessageBody: Body, DelaySeconds }));
    }
    return messages
      .map((message) => ({ message, place: disorder.random() }))
      .sort((a, b) => a.place - b.place)
      .map(({ message }) => message);
  }
}
