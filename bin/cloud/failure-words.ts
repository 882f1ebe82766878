/** What went wrong, and what to do next, for people. */
export interface FailureWords {
  readonly text: string;
  readonly hint: string;
}

interface Rule {
  readonly when: RegExp;
  /** `$1` is the first group of `when`. @default what was said */
  readonly text?: string;
  readonly hint: string;
}

/** The first that fits what was said, as AWS and our own stages say it. */
const rules: readonly Rule[] = [
  {
    // The state machine's own end, when the steps before it do not tell more.
    when: /^RUN_FAILED\b/,
    text: "some images have no result",
    hint: "`clustseg logs <run> --errors` tells why; `clustseg redrive <run>` goes on with those.",
  },
  {
    when: /Host EC2 \(instance (i-[0-9a-f]+)\) terminated/,
    text: "the Spot machine $1 was taken back, more often than a job is tried again",
    hint: "What it had done is kept: `clustseg redrive <run>` goes on. For large jobs allow On-Demand machines.",
  },
  {
    when: /OutOfMemoryError|out of memory|\bexit(?:ed with)? code:? 137\b|"ExitCode":137\b/i,
    text: "the container ran out of memory",
    hint: "Give it more memory in the configuration, or look which image it was: `clustseg logs <run>`.",
  },
  {
    when: /CannotPull(?:Container|ECR)?\w*Error/,
    text: "the machine could not fetch the container's image",
    hint: "Its network needs a way to ECR and S3 (docs/deploy.md), and its role the permission to read the repository.",
  },
  {
    when: /MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE/,
    text: "the job asks for more than the largest machine of the compute environment has",
    hint: "Allow larger machines in the configuration, or give the job less memory and fewer vCPUs.",
  },
  {
    when: /MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT|VcpuLimitExceeded|vCPU (?:limit|capacity)|MaxSpotInstanceCountExceeded/,
    text: "the account may not start machines of this kind",
    hint: "`clustseg doctor --cloud` shows the quota; ask for more in Service Quotas, or deploy with compute on CPUs.",
  },
  {
    when: /InsufficientInstanceCapacity|CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY/,
    text: "AWS has no machine of this kind free just now",
    hint: "Try again later, allow more kinds of machines or more zones, or let jobs fall back to On-Demand.",
  },
  {
    when: /States\.ExceedToleratedFailureThreshold/,
    text: "too many shards failed",
    hint: "`clustseg logs <run>` tells why; once that is mended, `clustseg redrive <run>` does the rest.",
  },
  {
    when: /States\.Timeout|States\.HeartbeatTimeout|Task timed out after/,
    text: "a step took longer than it may",
    hint: "What was done is kept: `clustseg redrive <run>` goes on.",
  },
  {
    when: /States\.ItemReaderFailed|States\.ResultWriterFailed/,
    text: "the state machine could not read or write its part of the staging bucket",
    hint: "Deploy the stack again: its role or the bucket's policy was changed.",
  },
  {
    when: /Lambda\.TooManyRequestsException|Rate Exceeded|ThrottlingException/i,
    text: "AWS asked to slow down for longer than was waited",
    hint: "`clustseg redrive <run>` goes on; ask for a higher quota of concurrent Lambda executions if it happens often.",
  },
  {
    when: /AccessDenied|is not authorized to perform/,
    hint: "A role of the stack lacks a permission, or a key's or a bucket's policy refuses it: see the text.",
  },
  {
    when: /Cancelled|stopped by `clustseg cancel/,
    text: "stopped by `clustseg cancel --now`",
    hint: "`clustseg redrive <run>` goes on where it was.",
  },
];

const fallbackHint = "`clustseg logs <run>` tells more; `clustseg redrive <run>` goes on where it was.";
const longest = 400;

/**
 * The error and cause of a failed execution in words. The cause may be plain text, what a Lambda function threw as JSON, or a
 * whole Batch job as JSON.
 */
export function failureWords(error: string | undefined, cause: string | undefined): FailureWords {
  const said = saidIn(cause) || (error ?? "");
  const whole = `${error ?? ""} ${said} ${cause ?? ""}`;
  const rule = rules.find(({ when }) => when.test(whole));
  if (rule === undefined) return { text: clipped(said) || "it does not say why", hint: fallbackHint };
  const match = rule.when.exec(whole);
  const text = rule.text?.replace("$1", match?.[1] ?? "") ?? clipped(said);
  return { text, hint: rule.hint };
}

/** The sentence in a cause. */
function saidIn(cause: string | undefined): string {
  if (cause === undefined) return "";
  let value: unknown;
  try {
    value = JSON.parse(cause);
  } catch {
    return cause;
  }
  if (typeof value !== "object" || value === null) return cause;
  const { errorMessage, errorType, StatusReason, Container, Attempts } = value as Record<string, unknown>;
  if (typeof errorMessage === "string") {
    const type = typeof errorType === "string" && !/^(Error|ClustsegError)$/.test(errorType) ? `${errorType}: ` : "";
    return `${type}${errorMessage}`;
  }
  const last = Array.isArray(Attempts) ? (Attempts.at(-1) as Record<string, unknown> | undefined) : undefined;
  const reasons = [StatusReason, last?.["StatusReason"], reasonOf(Container), reasonOf(last?.["Container"])];
  const texts = [...new Set(reasons.filter((one): one is string => typeof one === "string" && one !== ""))];
  return texts.length === 0 ? cause : texts.join("; ");
}

function reasonOf(container: unknown): string | undefined {
  if (typeof container !== "object" || container === null) return undefined;
  const { Reason, ExitCode } = container as { Reason?: unknown; ExitCode?: unknown };
  if (typeof Reason === "string") return Reason;
  return typeof ExitCode === "number" && ExitCode !== 0 ? `exit code ${ExitCode}` : undefined;
}

function clipped(text: string): string {
  const line = text.replace(/\s+/g, " ").trim().replace(/\.$/, "");
  return line.length > longest ? `${line.slice(0, longest)}…` : line;
}
