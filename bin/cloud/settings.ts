import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { parseDocument } from "../../layers/pipeline/contracts.js";

/** Which stack is meant, as every command against the cloud can be told. */
export interface CloudOptions {
  readonly stack?: string;
  readonly region?: string;
}

export interface CloudSettings {
  readonly stack: string;
  /** undefined: what the AWS SDK finds. */
  readonly region: string | undefined;
  /** Where the stack's name is from, for messages. */
  readonly from: "--stack" | "$CLUSTSEG_STACK" | "clustseg.json" | "the default";
}

export const settingsFile = "clustseg.json";
/** The stack of the environment "dev". */
const defaultStack = "clustseg-dev";

const settingsSchema = z.strictObject({
  stack: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9-]{0,127}$/)
    .exactOptional(),
  region: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/)
    .exactOptional(),
});

/**
 * The stack by name: --stack, else $CLUSTSEG_STACK, else ./clustseg.json ({"stack": "…", "region": "…"}), else clustseg-dev.
 * @throws ClustsegError CONFIG_INVALID
 */
export async function cloudSettings(
  { stack, region }: CloudOptions,
  cwd: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<CloudSettings> {
  const text = await readFile(path.join(cwd, settingsFile), "utf8").catch(() => undefined);
  const file = text === undefined ? {} : parseDocument(settingsSchema, text, "CONFIG_INVALID", settingsFile);
  const inEnvironment = environment["CLUSTSEG_STACK"] || undefined;
  const chosenRegion = region ?? file.region;
  if (stack !== undefined) return { stack, region: chosenRegion, from: "--stack" };
  if (inEnvironment !== undefined) return { stack: inEnvironment, region: chosenRegion, from: "$CLUSTSEG_STACK" };
  if (file.stack !== undefined) return { stack: file.stack, region: chosenRegion, from: "clustseg.json" };
  return { stack: defaultStack, region: chosenRegion, from: "the default" };
}
