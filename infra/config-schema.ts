import { z } from "zod";
import type { CloudConfig, ComputeKind } from "./config.js";

/** The types and families that are tried, one GPU or four vCPUs and up. */
const instanceTypes: Readonly<Record<ComputeKind, readonly string[]>> = {
  gpu: ["g4dn.xlarge", "g5.xlarge", "g6.xlarge", "g4dn.2xlarge", "g5.2xlarge", "g6.2xlarge"],
  cpu: ["c7i.xlarge", "c7a.xlarge", "c6i.xlarge", "c6a.xlarge", "c7i.2xlarge", "c6i.2xlarge"],
  fargate: [],
};
const memoryMib: Readonly<Record<ComputeKind, number>> = { gpu: 14_000, fargate: 8192, cpu: 7000 };
/** On-Demand in us-east-1: g4dn.xlarge, 4 vCPU with 8 GB on Fargate, c7i.xlarge. */
const dollarsPerHour: Readonly<Record<ComputeKind, number>> = { gpu: 0.526, fargate: 0.198, cpu: 0.1785 };

/** Days that CloudWatch Logs can keep. */
const logDays = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

const whole = (min: number, max: number, what: string) =>
  z
    .int({ error: `write a whole number from ${min} to ${max}: ${what}` })
    .min(min, `write at least ${min}: ${what}`)
    .max(max, `write at most ${max}: ${what}`);

const text = (pattern: RegExp, example: string) =>
  z.string({ error: `write text like "${example}"` }).regex(pattern, `write something like "${example}"`);

const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, { error: `write one of ${values.map((value) => `"${value}"`).join(", ")}` });

const yesOrNo = z.boolean({ error: "write true or false, without quotes" });

const pipeline = z.strictObject({
  name: text(/^[a-z0-9](?:[a-z0-9-]{0,28}[a-z0-9])?$/, "cells"),
  model: text(/^[a-z0-9][a-z0-9._-]*$/, "clustseg-superpixel"),
  task: text(/^[a-z]+$/, "superpixel").exactOptional(),
  parameters: z.record(z.string(), z.number({ error: "write a number" })).exactOptional(),
  formats: z.array(z.string()).default([]),
});

const bucket = z.strictObject({
  name: text(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "my-images").exactOptional(),
  prefix: z
    .string()
    .regex(/^$|^[^/].*\/$/, 'write "" or a prefix that ends with "/" and does not begin with one, like "photos/"')
    .regex(/^[^*?$]*$/, "leave out *, ? and $: they mean something else in a policy")
    .default(""),
});

const buckets = z
  .strictObject({
    uploads: bucket.prefault({}),
    staging: bucket.prefault({}),
    results: bucket.prefault({}),
    kmsKeyArn: text(
      /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/(mrk-)?[0-9a-f-]{32,36}$/,
      "arn:aws:kms:eu-west-1:111122223333:key/…",
    ).exactOptional(),
    versioning: yesOrNo.default(true),
    oldVersionsDays: whole(1, 3650, "days that old versions of uploads are kept").default(30),
    stagingDays: whole(3, 365, "days that a run may take, as staging is emptied after them").default(14),
  })
  .superRefine(({ uploads, staging, results }, context) => {
    const refuse = (path: string, message: string) =>
      context.addIssue({ code: "custom", path: [path, "name"], message });
    if (results.name !== undefined && results.name === uploads.name) {
      refuse(
        "results",
        "results may not go into the uploads bucket: every result would be an upload. Write another bucket",
      );
    }
    if (staging.name !== undefined && staging.name === uploads.name) {
      refuse(
        "staging",
        "staging may not lie in the uploads bucket: every pack would be an upload. Write another bucket, or none",
      );
    }
    if (staging.name !== undefined && staging.name === results.name) {
      refuse(
        "staging",
        "staging may not lie in the results bucket: the container may write to staging only. Write another bucket, or none",
      );
    }
  });

const network = z
  .strictObject({
    vpcId: text(/^vpc-[0-9a-f]{8,17}$/, "vpc-0123456789abcdef0").exactOptional(),
    subnetIds: z.array(text(/^subnet-[0-9a-f]{8,17}$/, "subnet-0123456789abcdef0")).default([]),
    access: oneOf(["public-ip", "endpoints"]).default("public-ip"),
    zones: whole(1, 6, "availability zones").default(3),
    cidr: text(/^\d{1,3}(\.\d{1,3}){3}\/(1[6-9]|2[0-4])$/, "10.42.0.0/16").default("10.42.0.0/16"),
  })
  .superRefine(({ vpcId, subnetIds }, context) => {
    if (vpcId !== undefined && subnetIds.length === 0) {
      context.addIssue({
        code: "custom",
        path: ["subnetIds"],
        message: "write the ids of the VPC's subnets, one or more",
      });
    }
    if (vpcId === undefined && subnetIds.length > 0) {
      context.addIssue({
        code: "custom",
        path: ["vpcId"],
        message: "write the id of the VPC that the subnets belong to",
      });
    }
  });

const compute = z
  .strictObject({
    kind: oneOf(["gpu", "fargate", "cpu"]).default("gpu"),
    spot: oneOf(["first", "only", "never"]).default("first"),
    instanceTypes: z.array(text(/^[a-z][a-z0-9-]*(\.[a-z0-9-]+)?$/, "g4dn.xlarge")).exactOptional(),
    maxVcpus: whole(1, 100_000, "vCPUs at once").default(16),
    vcpus: whole(1, 192, "vCPUs of a job").default(4),
    memoryMib: whole(512, 1_000_000, "memory of a job in MiB").exactOptional(),
    attempts: whole(1, 10, "tries of a job").default(5),
    timeoutMinutes: whole(1, 10_080, "minutes that a job may take").default(60),
    waitMinutes: whole(10, 1440, "minutes that a job waits for a machine").default(240),
    image: z
      .strictObject({ repository: text(/^[a-z0-9._/-]+$/, "clustseg"), tag: text(/^[\w.:-]+$/, "1.0.0") })
      .exactOptional(),
    cudaMajor: z.literal([12, 13], "write 12 or 13").default(12),
    dollarsPerHour: z.number().positive("write a price above 0").exactOptional(),
  })
  .superRefine(({ kind, instanceTypes: types, maxVcpus, vcpus, memoryMib: memory = memoryMib[kind] }, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
    if (maxVcpus < vcpus) refuse("maxVcpus", `write at least ${vcpus}: one job takes that many`);
    if (kind === "fargate" && types !== undefined)
      refuse("instanceTypes", "leave it out: Fargate has no instance types");
    if (kind !== "fargate" && types?.length === 0) refuse("instanceTypes", 'write one or more, like ["g4dn.xlarge"]');
    if (kind === "fargate" && !fargateSizes(vcpus).includes(memory)) {
      refuse(
        "memoryMib",
        `write one of ${fargateSizes(vcpus).join(", ") || "nothing, and 1, 2, 4, 8 or 16 for vcpus"}`,
      );
    }
  })
  .transform((given) => ({
    ...given,
    instanceTypes: given.instanceTypes ?? instanceTypes[given.kind],
    memoryMib: given.memoryMib ?? memoryMib[given.kind],
    dollarsPerHour: given.dollarsPerHour ?? dollarsPerHour[given.kind],
  }));

/** MiB that Fargate offers with so many vCPUs. */
function fargateSizes(vcpus: number): number[] {
  const steps: Record<number, [number, number, number]> = {
    1: [2, 8, 1],
    2: [4, 16, 1],
    4: [8, 30, 1],
    8: [16, 60, 4],
    16: [32, 120, 8],
  };
  const [min, max, step] = steps[vcpus] ?? [1, 0, 1];
  return Array.from({ length: Math.floor((max - min) / step) + 1 }, (_, index) => (min + index * step) * 1024);
}

const quick = z.union(
  [
    z.literal("off"),
    z.strictObject({
      maxImages: whole(1, 1000, "images on the quick path").default(20),
      maxBytes: whole(1, 1_073_741_824, "bytes on the quick path").default(52_428_800),
      memoryMib: whole(1024, 10_240, "memory of the quick function in MiB").default(3008),
      timeoutSeconds: whole(60, 900, "seconds of one call").default(300),
    }),
  ],
  {
    error:
      'write "off", or { "maxImages": 1 to 1000, "maxBytes": …, "memoryMib": 1024 to 10240, "timeoutSeconds": 60 to 900 }',
  },
);

const intake = z
  .strictObject({
    batchSize: whole(1, 10_000, "uploads of one run").default(500),
    windowSeconds: whole(0, 300, "seconds that uploads are collected").default(5),
  })
  .refine(({ batchSize, windowSeconds }) => windowSeconds > 0 || batchSize <= 10, {
    path: ["windowSeconds"],
    message: "write at least 1, or a batchSize of at most 10: SQS collects larger batches for a second or more",
  });

/** `CloudConfig` as a person may write it: everything is optional but the pipelines' names and models. */
export const cloudConfigSchema = z
  .strictObject({
    environment: text(/^[a-z][a-z0-9-]{0,19}$/, "dev").default("dev"),
    stackName: text(/^[A-Za-z][A-Za-z0-9-]{0,39}$/, "clustseg-dev").exactOptional(),
    pipelines: z
      .array(pipeline, { error: 'write a list like [{ "name": "superpixels", "model": "clustseg-superpixel" }]' })
      .min(1, "write at least one pipeline")
      .prefault([{ name: "superpixels", model: "clustseg-superpixel" }]),
    buckets: buckets.prefault({}),
    network: network.prefault({}),
    compute: compute.prefault({}),
    quick: quick.prefault({}),
    intake: intake.prefault({}),
    shards: z
      .strictObject({
        items: whole(1, 100_000, "images in a shard").default(1000),
        bytes: whole(1_048_576, 1_099_511_627_776, "bytes of images in a shard").default(2_147_483_648),
        concurrency: whole(1, 10_000, "shards at once").default(50),
        tolerated: whole(0, 10_000, "shards that may fail").default(5),
      })
      .prefault({}),
    failureBudget: z
      .strictObject({
        maxRejected: whole(0, Number.MAX_SAFE_INTEGER, "rejected images").exactOptional(),
        maxRatio: z.number().min(0, "write 0 to 1").max(1, "write 0 to 1").default(0.5),
        ratioAfter: whole(1, 1_000_000, "images before the ratio counts").default(100),
      })
      .prefault({}),
    monitoring: z
      .strictObject({
        email: z.email('write an address like "you@example.com"').exactOptional(),
        logDays: z
          .number()
          .refine((days) => logDays.includes(days), `write one of ${logDays.join(", ")}`)
          .default(30),
        tracing: yesOrNo.default(true),
        queueMinutes: whole(1, 1440, "minutes that an upload may wait").default(15),
        rejectedPercent: z.number().min(0, "write 0 to 100").max(100, "write 0 to 100").default(20),
        dashboard: yesOrNo.default(true),
      })
      .prefault({}),
    terminationProtection: yesOrNo.default(false),
    tags: z.record(z.string(), z.string()).default({}),
  })
  .superRefine(({ pipelines }, context) => {
    const names = pipelines.map(({ name }) => name);
    for (const [index, name] of names.entries()) {
      if (names.indexOf(name) < index) {
        context.addIssue({
          code: "custom",
          path: ["pipelines", index, "name"],
          message: `write another name: "${name}" is taken, and results lie below it`,
        });
      }
    }
  })
  .transform(
    (given) => ({ ...given, stackName: given.stackName ?? `clustseg-${given.environment}` }) satisfies CloudConfig,
  );
