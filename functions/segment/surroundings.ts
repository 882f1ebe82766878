import { z } from "zod";

/** What the place where the worker runs says of itself. AWS sets these; elsewhere none is there. */
export interface Surroundings {
  /** Batch's, for logs. */
  readonly job?: string;
  readonly attempt?: number;
  /** Where Spot notices are asked for; undefined where there are none to be had: outside EC2, or switched off. */
  readonly metadataEndpoint?: string;
}

const schema = z.object({
  AWS_BATCH_JOB_ID: z.string().optional(),
  AWS_BATCH_JOB_ATTEMPT: z.coerce.number().int().positive().optional().catch(undefined),
  /** "AWS_ECS_EC2", "AWS_ECS_FARGATE" (which tells by SIGTERM alone). */
  AWS_EXECUTION_ENV: z.string().optional(),
  /** The SDKs' own names for where the instance metadata service is, and for leaving it alone. */
  AWS_EC2_METADATA_SERVICE_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .optional()
    .catch(undefined),
  AWS_EC2_METADATA_DISABLED: z.string().optional(),
});

export function readSurroundings(environment: Readonly<Record<string, string | undefined>>): Surroundings {
  const read = schema.parse(environment);
  const { AWS_BATCH_JOB_ID: job, AWS_BATCH_JOB_ATTEMPT: attempt, AWS_EC2_METADATA_SERVICE_ENDPOINT: given } = read;
  const disabled = read.AWS_EC2_METADATA_DISABLED?.toLowerCase() === "true";
  const onEc2 = read.AWS_EXECUTION_ENV === "AWS_ECS_EC2";
  const metadataEndpoint = given ?? (onEc2 ? "http://169.254.169.254" : undefined);
  return {
    ...(job === undefined ? {} : { job }),
    ...(attempt === undefined ? {} : { attempt }),
    ...(metadataEndpoint === undefined || disabled ? {} : { metadataEndpoint }),
  };
}
