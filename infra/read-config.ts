import { readFileSync } from "node:fs";
import type { Node } from "constructs";
import { z } from "zod";
import type { CloudConfig } from "./config.js";
import { cloudConfigSchema } from "./config-schema.js";

/** A configuration that cannot be deployed; its message says what to write instead. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** What `cdk.json` and `-c name=value` say. */
export interface Context {
  /** Which entry of `environments` is deployed. @default "dev" */
  readonly environment?: string;
  /** Configurations by the names of their environments. */
  readonly environments?: Readonly<Record<string, unknown>>;
  /** A JSON file whose props are taken before those of `environments`. */
  readonly config?: string;
}

/** The context of a construct tree, as far as it concerns the configuration. */
export function contextOf(node: Node): Context {
  const texts = { environment: node.tryGetContext("environment"), config: node.tryGetContext("config") };
  return {
    ...Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== undefined)),
    environments: node.tryGetContext("environments") ?? {},
  };
}

/**
 * The configuration of the environment that is asked for, complete and checked.
 * @throws ConfigError that names every prop that is wrong and says what to write
 */
export function readConfig({ environment = "dev", environments = {}, config }: Context): CloudConfig {
  const known = Object.keys(environments);
  if (!Object.hasOwn(environments, environment)) {
    throw new ConfigError(
      `There is no environment "${environment}" in cdk.json's context "environments". Write one of ${known.join(", ") || "(none there)"}: cdk deploy -c environment=NAME.`,
    );
  }
  const given = merge(environments[environment], config === undefined ? {} : readFile(config));
  return parseConfig({ environment, ...(given as object) });
}

/**
 * Checks a configuration and fills in what it leaves out.
 * @throws ConfigError
 */
export function parseConfig(given: unknown): CloudConfig {
  const parsed = cloudConfigSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map(
    (issue) => `  ${z.core.toDotPath(issue.path) || "configuration"}: ${wording(issue)}`,
  );
  throw new ConfigError(
    `The configuration cannot be deployed (infra/config.ts describes every prop; yours are in cdk.json, "environments"):\n${lines.join("\n")}`,
  );
}

function wording(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys")
    return `there is no such prop: ${issue.keys.join(", ")}. Look for its name in infra/config.ts`;
  return issue.message;
}

function readFile(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new ConfigError(
      `The file that -c config names cannot be read as JSON: ${path} (${(cause as Error).message}).`,
    );
  }
}

/** Objects are merged prop by prop; anything else of `over` takes the place of what was there. */
function merge(base: unknown, over: unknown): unknown {
  if (!isObject(base) || !isObject(over)) return over ?? base;
  const names = new Set([...Object.keys(base), ...Object.keys(over)]);
  return Object.fromEntries(
    [...names].map((name) => [name, name in over ? merge(base[name], over[name]) : base[name]]),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
