import { Duration, Stack } from "aws-cdk-lib";
import { Metric } from "aws-cdk-lib/aws-cloudwatch";
import type { Construct } from "constructs";

export const period = Duration.minutes(5);
export const hour = Duration.hours(1);
export const sum = { statistic: "Sum", period } as const;
export const hourly = { statistic: "Sum", period: hour } as const;
export const maximum = { statistic: "Maximum", period } as const;

/** A metric that the functions write into their logs (EMF). */
export function ownMetric(
  scope: Construct,
  metricName: string,
  options: { readonly statistic: string; readonly period: Duration },
): Metric {
  return new Metric({
    namespace: "ClustSeg",
    metricName,
    dimensionsMap: { service: Stack.of(scope).stackName },
    ...options,
  });
}
