import { z } from "zod";
import { checkPlaces, pipelinesSchema } from "../layers/pipeline/cloud-contracts.js";
import { ClustsegError } from "../layers/segments/errors.js";

/** The environment of the functions and of the container, parsed once, at the edge. */

const place = z
  .string()
  .regex(/^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/.*)?$/s, "Write s3://bucket/ or s3://bucket/prefix/.")
  .transform((uri) => (uri.endsWith("/") ? uri : `${uri}/`));

/** Text that holds JSON of this form. */
function json<T>(schema: z.ZodType<T>) {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue({ code: "custom", message: "It is not JSON." });
        return z.NEVER;
      }
    })
    .pipe(schema);
}

/** Up to so much goes to the quick function; undefined when there is none. */
const quick = z.union([
  z.literal("off").transform(() => undefined),
  json(
    z.strictObject({
      maxImages: z.int().positive().default(20),
      maxBytes: z.int().positive().default(52_428_800),
    }),
  ),
]);

/** How large a shard is: images and bytes at most. */
const shardSize = json(
  z.strictObject({
    items: z.int().positive().default(1024),
    bytes: z
      .int()
      .positive()
      .default(2 * 1024 ** 3),
  }),
);

const failureBudget = json(
  z.strictObject({
    maxRejected: z.int().nonnegative().exactOptional(),
    maxRatio: z.number().min(0).max(1).exactOptional(),
    ratioAfter: z.int().positive().exactOptional(),
  }),
);

/** Variable and schema of each setting; a schema with a default need not be set. */
const settings = {
  uploads: ["CLUSTSEG_UPLOADS", place],
  staging: ["CLUSTSEG_STAGING", place],
  results: ["CLUSTSEG_RESULTS", place],
  pipelines: ["CLUSTSEG_PIPELINES", json(pipelinesSchema)],
  stateMachineArn: ["CLUSTSEG_STATE_MACHINE_ARN", z.string().startsWith("arn:")],
  quick: ["CLUSTSEG_QUICK", z.preprocess((value) => value ?? "{}", quick)],
  eventBus: ["CLUSTSEG_EVENT_BUS", z.string().min(1).default("default")],
  shard: ["CLUSTSEG_SHARD", z.preprocess((value) => value ?? "{}", shardSize)],
  /** No budget: bad images never stop a run. */
  failureBudget: ["CLUSTSEG_FAILURE_BUDGET", z.preprocess((value) => value ?? "{}", failureBudget)],
  /** Where a model is to run; one that is not there is an error, and no reason to take the other. */
  provider: ["CLUSTSEG_PROVIDER", z.enum(["cuda", "cpu"]).default("cpu")],
  /** Folder of bundles; undefined: beside the code. */
  models: ["CLUSTSEG_MODELS", z.string().min(1).optional()],
  /** So long after its start a job is killed for good, so it leaves before; undefined: never. */
  jobSeconds: ["CLUSTSEG_JOB_SECONDS", z.coerce.number().positive().optional()],
  /** Stands in for AWS, under test. */
  endpoint: ["AWS_ENDPOINT_URL", z.url().optional()],
} as const satisfies Record<string, readonly [string, z.ZodType]>;

type Settings = { readonly [Name in keyof typeof settings]: z.infer<(typeof settings)[Name][1]> };
export type SettingName = keyof Settings;

/**
 * The settings that a function names, from its environment.
 * @throws ClustsegError CONFIG_INVALID, with every variable that is wrong
 */
export function readEnvironment<const Name extends SettingName>(
  environment: Readonly<Record<string, string | undefined>>,
  names: readonly Name[],
): Pick<Settings, Name> {
  const wrong: string[] = [];
  const entries = names.map((name) => {
    const [variable, schema] = settings[name];
    // An empty variable is how some consoles say that there is none.
    const parsed = schema.safeParse(environment[variable] === "" ? undefined : environment[variable]);
    if (!parsed.success) wrong.push(`${variable}: ${parsed.error.issues.map(({ message }) => message).join(" ")}`);
    return [name, parsed.data] as const;
  });
  if (wrong.length > 0) {
    throw new ClustsegError("CONFIG_INVALID", `the environment is not as it should be. ${wrong.join("; ")}`, {
      hint: "The stack sets these variables: deploy it again, or compare them with functions/environment.ts.",
    });
  }
  const read = Object.fromEntries(entries) as Pick<Settings, Name>;
  checkPlaces(read as Partial<Settings>);
  return read;
}
