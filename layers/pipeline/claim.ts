import { z } from "zod";

const claimSchema = z.object({
  schema: z.literal("clustseg.claim/1"),
  result_id: z.string(),
  at: z.iso.datetime(),
  /** There was nothing before. */
  fresh: z.boolean(),
});

/**
 * What lies at a result's metadata.json while somebody writes the result into a store that others write to at the same time
 * (publish-shared.ts). To whoever reads results it says that one was begun, as if metadata.json were not there yet.
 */
export type Claim = z.infer<typeof claimSchema>;

/** No claim is as long; a result's metadata.json always is longer. */
const maxBytes = 256;

export function encodeClaim(claim: Omit<Claim, "schema">): Uint8Array {
  const document = { schema: "clustseg.claim/1", ...claim };
  return new TextEncoder().encode(`${JSON.stringify(document)}\n`);
}

/** @param body of a metadata.json, or its beginning; @returns undefined when that is no claim */
export function claimOf(body: Uint8Array): Claim | undefined {
  if (body.length > maxBytes) return undefined;
  try {
    return claimSchema.safeParse(JSON.parse(new TextDecoder().decode(body))).data;
  } catch {
    return undefined;
  }
}
