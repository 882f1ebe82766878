import { Duration } from "aws-cdk-lib";
import { Rule } from "aws-cdk-lib/aws-events";
import { SqsQueue } from "aws-cdk-lib/aws-events-targets";
import { Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import type { Place } from "./buckets.js";

/** How often intake is given a message before it counts as poison. */
const maxReceives = 5;

/** S3 "Object Created" -> EventBridge -> a queue that intake is fed from; what cannot be taken in ends in the dead-letter queue. */
export class IntakeQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string, props: { readonly uploads: Place; readonly intakeTimeout: Duration }) {
    super(scope, id);
    const { uploads, intakeTimeout } = props;
    // SSE-SQS and not a KMS key: EventBridge could use only one whose policy names it, and messages hold names, not images.
    const common = { encryption: QueueEncryption.SQS_MANAGED, enforceSSL: true, retentionPeriod: Duration.days(14) };
    this.deadLetters = new Queue(this, "DeadLetters", common);
    this.queue = new Queue(this, "Queue", {
      ...common,
      // AWS asks for six times the function's timeout, so that a slow call does not see its messages come back.
      visibilityTimeout: Duration.seconds(6 * intakeTimeout.toSeconds()),
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: maxReceives },
    });
    new Rule(this, "Uploads", {
      description: "What lands in the uploads bucket goes to clustseg's intake",
      eventPattern: {
        source: ["aws.s3"],
        detailType: ["Object Created"],
        detail: {
          bucket: { name: [uploads.bucket.bucketName] },
          ...(uploads.prefix === "" ? {} : { object: { key: [{ prefix: uploads.prefix }] } }),
        },
      },
      targets: [new SqsQueue(this.queue, { deadLetterQueue: this.deadLetters, maxEventAge: Duration.hours(24) })],
    });
  }
}
