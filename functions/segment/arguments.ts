import { parseArgs } from "node:util";
import { z } from "zod";
import { runIdSchema, shardNameSchema } from "../../layers/pipeline/contracts.js";
import { ClustsegError } from "../../layers/segments/errors.js";

/** One shard of one run: what a container is started for. */
export interface SegmentArguments {
  readonly pipeline: string;
  readonly runId: string;
  readonly shard: string;
  /** Copies of the graph at work at once. @default on CPU one a core, on CUDA one */
  readonly workers?: number;
}

export const usage = `segment --pipeline NAME --run ID --shard 00000 [--workers N]
segment --check

Segments what is left of one shard of a run and leaves it in staging. With --check: opens each model of the image with the
execution provider that CLUSTSEG_PROVIDER names, runs it on a drawn picture, and says how long that took.

Exit codes: 0 the shard is complete; 75 interrupted, or a passing trouble: start it again, it goes on where it was;
3 the run was stopped; 64 wrong arguments; 69 no GPU where one was asked for; 78 wrong settings, model or permissions;
70 anything else.`;

const schema = z.object({
  pipeline: z.string().min(1),
  run: runIdSchema,
  shard: shardNameSchema,
  workers: z.coerce.number().int().positive().max(256).optional(),
});

/**
 * @param argv without node and script; the word "segment" may come first
 * @returns "help" or "check" when that is asked for
 * @throws ClustsegError USAGE
 */
export function readArguments(argv: readonly string[]): SegmentArguments | "help" | "check" {
  const given = argv[0] === "segment" ? argv.slice(1) : argv;
  const { values } = parsed(given);
  if (values.help) return "help";
  if (values.check) return "check";
  const missing = (["pipeline", "run", "shard"] as const).filter((name) => values[name] === undefined);
  if (missing.length > 0) throw wrong(`missing: ${missing.map((name) => `--${name}`).join(", ")}`);
  const read = schema.safeParse(values);
  if (!read.success) {
    throw wrong(read.error.issues.map(({ path, message }) => `--${path.join(".")}: ${message}`).join("; "));
  }
  const { pipeline, run, shard, workers } = read.data;
  return { pipeline, runId: run, shard, ...(workers === undefined ? {} : { workers }) };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        pipeline: { type: "string" },
        run: { type: "string" },
        shard: { type: "string" },
        workers: { type: "string" },
        check: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (cause) {
    throw wrong(cause instanceof Error ? cause.message : String(cause));
  }
}

function wrong(what: string): ClustsegError {
  return new ClustsegError("USAGE", what, { hint: `Write: ${usage.split("\n")[0]}.` });
}
