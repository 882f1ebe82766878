import { Stack } from "aws-cdk-lib";
import {
  Alarm,
  ComparisonOperator,
  type Dashboard,
  type IMetric,
  MathExpression,
  Metric,
  TreatMissingData,
} from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import { EventField, Rule, RuleTargetInput } from "aws-cdk-lib/aws-events";
import { SnsTopic } from "aws-cdk-lib/aws-events-targets";
import { PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Topic } from "aws-cdk-lib/aws-sns";
import { EmailSubscription } from "aws-cdk-lib/aws-sns-subscriptions";
import { NagSuppressions } from "cdk-nag";
import { Construct } from "constructs";
import type { MonitoringConfig } from "./config.js";
import { type DashboardProps, makeDashboard } from "./dashboard.js";
import { hour, hourly, maximum, ownMetric, period, sum } from "./metrics.js";
import { typed } from "./typed.js";

export interface MonitoringProps extends DashboardProps {
  readonly config: MonitoringConfig;
}

/** Says when something needs a person, and shows the rest. */
export class Monitoring extends Construct {
  readonly topic: Topic;
  readonly alarms: Alarm[] = [];
  readonly dashboard: Dashboard | undefined;
  readonly #props: MonitoringProps;

  constructor(scope: Construct, id: string, props: MonitoringProps) {
    super(scope, id);
    this.#props = props;
    this.topic = this.#makeTopic();
    this.#deadLetters();
    this.#oldestMessage();
    this.#failedRuns();
    this.#failedFunctions();
    this.#stuckJobs();
    this.#rejectedImages();
    this.dashboard = props.config.dashboard ? makeDashboard(this, props) : undefined;
  }

  #makeTopic(): Topic {
    const topic = new Topic(this, "Alarms", { displayName: `${Stack.of(this).stackName} alarms`, enforceSSL: true });
    // With a policy of its own a topic no longer lets alarms in by itself.
    topic.addToResourcePolicy(
      new PolicyStatement({
        actions: ["sns:Publish"],
        principals: [new ServicePrincipal("cloudwatch.amazonaws.com")],
        resources: [topic.topicArn],
        conditions: { StringEquals: { "aws:SourceAccount": Stack.of(this).account } },
      }),
    );
    const { email } = this.#props.config;
    if (email !== undefined) topic.addSubscription(new EmailSubscription(email));
    NagSuppressions.addResourceSuppressions(topic, [
      {
        id: "AwsSolutions-SNS2",
        reason:
          "CloudWatch can use only a KMS key whose policy names it, at a dollar a month; notices hold names of alarms, no data.",
      },
    ]);
    return topic;
  }

  #deadLetters(): void {
    this.#alarm("DeadLetters", this.#props.intake.deadLetters.metricApproximateNumberOfMessagesVisible(maximum), {
      above: 0,
      says: `Uploads that intake could not take in lie in the dead-letter queue. See why: ${this.#typed("doctor --cloud")}. Mended? Give them back: ${this.#typed("redrive --messages")}.`,
    });
  }

  #oldestMessage(): void {
    const { intake, config } = this.#props;
    this.#alarm("OldestMessage", intake.queue.metricApproximateAgeOfOldestMessage(maximum), {
      above: config.queueMinutes * 60,
      says: `An upload has waited ${config.queueMinutes} minutes for intake: it fails, or is throttled.`,
    });
  }

  #failedRuns(): void {
    const { machine } = this.#props.workflow;
    const metric = new MathExpression({
      // Not those aborted: that was somebody's wish.
      expression: `${filled("failed")} + ${filled("timedOut")}`,
      label: "runs that failed",
      usingMetrics: {
        failed: machine.metricFailed(sum),
        timedOut: machine.metricTimedOut(sum),
      },
      period,
    });
    this.#alarm("FailedRuns", metric, {
      above: 0,
      says: `A run failed. See why: ${this.#typed("status")}, ${this.#typed("logs RUN")}. Go on: ${this.#typed("redrive RUN")}.`,
    });
  }

  #failedFunctions(): void {
    const functions = [...this.#props.functions.all];
    const metric = new MathExpression({
      expression: functions.map(([name]) => filled(name)).join(" + "),
      label: "calls that failed",
      usingMetrics: Object.fromEntries(functions.map(([name, one]) => [name, one.metricErrors(sum)])),
      period,
    });
    // Single ones are tried again; many are something else.
    this.#alarm("FailedFunctions", metric, {
      above: 10,
      says: `Functions fail again and again: ${this.#typed("logs RUN")}.`,
    });
  }

  /** Batch tells when the job at the head of the queue cannot run; a RUNNABLE job has no metric of its own. */
  #stuckJobs(): void {
    const { queue } = this.#props.compute;
    const rule = new Rule(this, "StuckJobs", {
      description: "clustseg: a segment job is stuck in RUNNABLE",
      eventPattern: {
        source: ["aws.batch"],
        detailType: ["Batch Job Queue Blocked"],
        resources: [queue.jobQueueArn],
      },
      targets: [
        new SnsTopic(this.topic, {
          message: RuleTargetInput.fromText(
            `${Stack.of(this).stackName}: segment jobs wait and no machine comes (${EventField.fromPath("$.detail.statusReason")}). Look at the quota of G instances with: ${this.#typed("doctor --cloud")}`,
          ),
        }),
      ],
    });
    const metric = new Metric({
      namespace: "AWS/Events",
      metricName: "TriggeredRules",
      dimensionsMap: { RuleName: rule.ruleName },
      ...sum,
    });
    this.#alarm("StuckJobs", metric, {
      above: 0,
      says: `Segment jobs are stuck in RUNNABLE: no capacity, no quota, or no machine that fits. See: ${this.#typed("doctor --cloud")}.`,
    });
  }

  #rejectedImages(): void {
    const { rejectedPercent } = this.#props.config;
    const worked = `(${filled("rejected")} + ${filled("segmented")})`;
    const metric = new MathExpression({
      // A single bad image among few is no alarm.
      expression: `IF(${worked} >= 20, 100 * ${filled("rejected")} / ${worked}, 0)`,
      label: "rejected, %",
      usingMetrics: {
        rejected: ownMetric(this, "ImagesRejected", hourly),
        segmented: ownMetric(this, "ImagesSegmented", hourly),
      },
      period: hour,
    });
    this.#alarm("RejectedImages", metric, {
      above: rejectedPercent,
      says: `More than ${rejectedPercent} % of an hour's images were rejected. Which and why: ${this.#typed("logs RUN --errors")}.`,
    });
  }

  #typed(words: string): string {
    return typed(words, Stack.of(this).stackName);
  }

  #alarm(id: string, metric: IMetric, { above, says }: { above: number; says: string }): void {
    const alarm = new Alarm(this, `${id}Alarm`, {
      metric,
      threshold: above,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: 1,
      // Nothing happens here most of the time.
      treatMissingData: TreatMissingData.NOT_BREACHING,
      alarmDescription: says,
    });
    alarm.addAlarmAction(new SnsAction(this.topic));
    this.alarms.push(alarm);
  }
}

/** Counts of zero are not sent, and what is not there makes a sum not be there: an hour of bad images alone would pass for none. */
function filled(metric: string): string {
  return `FILL(${metric}, 0)`;
}
