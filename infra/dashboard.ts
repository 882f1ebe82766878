import { Duration, Stack } from "aws-cdk-lib";
import {
  Dashboard,
  GraphWidget,
  type IMetric,
  LogQueryWidget,
  MathExpression,
  SingleValueWidget,
} from "aws-cdk-lib/aws-cloudwatch";
import type { Construct } from "constructs";
import type { Compute } from "./compute.js";
import type { ComputeConfig } from "./config.js";
import type { Functions } from "./functions.js";
import { maximum, ownMetric, period, sum } from "./metrics.js";
import type { IntakeQueue } from "./queue.js";
import type { Workflow } from "./workflow.js";

/** What is shown. */
export interface DashboardProps {
  readonly computeConfig: ComputeConfig;
  readonly intake: IntakeQueue;
  readonly functions: Functions;
  readonly compute: Compute;
  readonly workflow: Workflow;
}

/** Images, dollars, runs, queues and errors on one page. */
export function makeDashboard(
  scope: Construct,
  { intake, workflow, functions, compute, computeConfig }: DashboardProps,
): Dashboard {
  const { dollarsPerHour } = computeConfig;
  const seconds = ownMetric(scope, "SecondsPerImage", { statistic: "Average", period });
  const quick = ownMetric(scope, "QuickSecondsPerImage", { statistic: "Average", period });
  const dollars = new MathExpression({
    expression: `seconds * ${dollarsPerHour} / 3600 * 1000`,
    label: `dollars per 1,000 images, at $${dollarsPerHour} an hour`,
    usingMetrics: { seconds },
    period,
  });
  const images = ["ImagesSegmented", "ImagesRejected", "ImagesSkipped"].map((name) => ownMetric(scope, name, sum));
  const graph = (title: string, left: IMetric[], right: IMetric[] = []) =>
    new GraphWidget({ title, left, right, width: 12, height: 6 });
  const dashboard = new Dashboard(scope, "Dashboard", { dashboardName: Stack.of(scope).stackName });
  dashboard.addWidgets(
    new SingleValueWidget({
      title: "Images of the last day",
      metrics: images.map((one) => one.with({ period: Duration.days(1) })),
      width: 12,
      height: 4,
    }),
    new SingleValueWidget({ title: "Cost", metrics: [seconds, dollars], width: 12, height: 4 }),
  );
  dashboard.addWidgets(
    graph("Images", images),
    graph("Seconds and dollars an image", [seconds, quick], [dollars]),
    graph("Runs", [
      workflow.machine.metricStarted(sum),
      workflow.machine.metricSucceeded(sum),
      workflow.machine.metricFailed(sum),
    ]),
    graph(
      "Queues",
      [
        intake.queue.metricApproximateNumberOfMessagesVisible(maximum),
        intake.deadLetters.metricApproximateNumberOfMessagesVisible(maximum),
      ],
      [intake.queue.metricApproximateAgeOfOldestMessage(maximum)],
    ),
    graph(
      "Functions: errors",
      [...functions.all.values()].map((one) => one.metricErrors(sum)),
    ),
    graph(
      "Functions: longest call",
      [...functions.all.values()].map((one) => one.metricDuration(maximum)),
    ),
  );
  dashboard.addWidgets(
    new LogQueryWidget({
      title: "What went wrong last",
      logGroupNames: [
        compute.logGroup.logGroupName,
        ...[...functions.logGroups.values()].map((one) => one.logGroupName),
      ],
      queryLines: [
        "fields @timestamp, run, shard, code, message",
        'filter level = "ERROR"',
        "sort @timestamp desc",
        "limit 50",
      ],
      width: 24,
      height: 8,
    }),
  );
  return dashboard;
}
