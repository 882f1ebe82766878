import type { LogEvent } from "./ports.js";

export type LogLevel = "debug" | "info" | "warn" | "error";

/** One thing that was logged, whoever has done so. */
export interface LogLine {
  readonly at: string;
  /** The stage: intake, plan, segment, … */
  readonly from: string;
  readonly level: LogLevel;
  readonly message: string;
  readonly shard?: string;
  readonly item?: string;
  readonly code?: string;
}

const levels: Readonly<Record<string, LogLevel>> = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warn: "warn",
  warning: "warn",
  error: "error",
  critical: "error",
  fatal: "error",
  failed: "error",
};

/**
 * A line of a log in one form: JSON of our own stages (level, message, shard, item), an event of the state machine (type,
 * details), or text. Metrics that stand in the log are none: undefined.
 */
export function logLine(from: string, { at, text }: LogEvent): LogLine | undefined {
  const base = { at: at.toISOString(), from };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ...base, level: levelOfText(text), message: text };
  }
  if (typeof value !== "object" || value === null) return { ...base, level: "info", message: text };
  const record = value as Record<string, unknown>;
  if ("_aws" in record && record["message"] === undefined) return undefined;
  const { level, message, shard, item, code, type, details, reason } = record;
  if (typeof message !== "string" && typeof type === "string") {
    const failed = /(Failed|TimedOut|Aborted)$/.test(type);
    return { ...base, level: failed ? "error" : "info", message: `${type}${detailsText(details)}` };
  }
  return {
    ...base,
    level: levels[String(level).toLowerCase()] ?? "info",
    message: messageOf(message, reason) ?? text,
    ...(typeof shard === "string" ? { shard } : {}),
    ...(typeof item === "string" ? { item } : {}),
    ...(typeof code === "string" ? { code } : {}),
  };
}

/** Why stands beside what, as "message" can be said once. */
function messageOf(message: unknown, reason: unknown): string | undefined {
  if (typeof message !== "string") return undefined;
  return typeof reason === "string" ? `${message}: ${reason}` : message;
}

function detailsText(details: unknown): string {
  if (typeof details !== "object" || details === null) return "";
  const { name, error, cause } = details as Record<string, unknown>;
  const parts = [name, error, cause].filter((one): one is string => typeof one === "string" && one !== "");
  return parts.length === 0 ? "" : `: ${parts.join(", ")}`;
}

/** What the Lambda runtime and Node write themselves. */
function levelOfText(text: string): LogLevel {
  if (/\bERROR\b|Task timed out|Runtime\.|Error:/.test(text)) return "error";
  return /\bWARN/.test(text) ? "warn" : "info";
}
