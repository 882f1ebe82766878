/**
 * What a key of a run in staging says by its name. Whoever decodes images may write some keys there, and a policy's "*" crosses
 * slashes: so a key is taken for what it says only when all of it is as `stagingKeys` writes it. Whatever lies under another name is
 * nobody's word, and every reader passes it over.
 */

/** As `shardNameOf` and the names of packs are written: filled with zeros, and longer only where they must be. */
const shard = "(\\d{5}|[1-9]\\d{5,})";
const pack = "(\\d{4}|[1-9]\\d{4,})";
const run = "^runs/[^/]+/";

const packs = new RegExp(`${run}packs/${shard}/${pack}\\.pack$`);
const counts = new RegExp(`${run}counts/${shard}\\.(\\d+)\\.(\\d+)$`);
const wholeShards = new RegExp(`${run}outcomes/${shard}\\.jsonl$`);
const parts = new RegExp(`${run}outcomes/${shard}/${pack}\\.jsonl$`);
const skipped = new RegExp(`${run}outcomes/skipped-${shard}\\.jsonl$`);

export interface PackName {
  readonly shard: string;
  readonly pack: number;
}

/** A file of outcomes: all of a shard, those of one pack of it, or a part of what plan dropped. */
export type OutcomesName =
  | { readonly of: "shard"; readonly shard: string }
  | ({ readonly of: "pack" } & PackName)
  | { readonly of: "skipped" };

export interface CountsName {
  readonly shard: string;
  readonly segmented: number;
  readonly rejected: number;
}

/** undefined when the key is no pack's. */
export function packNamed(key: string): PackName | undefined {
  return packName(packs.exec(key));
}

/** undefined when the key is no file of outcomes. */
export function outcomesNamed(key: string): OutcomesName | undefined {
  const whole = wholeShards.exec(key)?.[1];
  if (whole !== undefined) return { of: "shard", shard: whole };
  const part = packName(parts.exec(key));
  if (part !== undefined) return { of: "pack", ...part };
  return skipped.test(key) ? { of: "skipped" } : undefined;
}

/** undefined when the key does not say what came of a shard. */
export function countsNamed(key: string): CountsName | undefined {
  const [, name, segmented, rejected] = counts.exec(key) ?? [];
  return name === undefined ? undefined : { shard: name, segmented: Number(segmented), rejected: Number(rejected) };
}

function packName(match: RegExpExecArray | null): PackName | undefined {
  const [, name, number] = match ?? [];
  return name === undefined ? undefined : { shard: name, pack: Number(number) };
}
