import { createHash } from "node:crypto";
import type { ManifestLine, RunRequest } from "./contracts.js";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/**
 * JSON that is the same text for the same value: names sorted by UTF-16 units, no spaces, members that are undefined left
 * out (RFC 8785 for the values that occur here).
 */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const record = value as { readonly [name: string]: Json | undefined };
    const members = Object.keys(record)
      .filter((name) => record[name] !== undefined)
      .sort()
      .map((name) => `${JSON.stringify(name)}:${canonicalJson(record[name] as Json)}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value);
}

/** SHA-256 of text (as UTF-8) or bytes, 64 hexadecimal digits. Web Crypto would cost a trip to the thread pool for each id. */
export function sha256Hex(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** All that decides a result's bytes, save the image. */
export type ResultRecipe = Pick<RunRequest, "source" | "model" | "task" | "parameters" | "formats">;

/**
 * The ids of a run's results: `first 32 hex digits of SHA-256 over the canonical JSON of
 * [source, key, etag, model name@version, sha256, task, parameters, formats, "clustseg.result/1"]`. Same id, same bytes.
 * An image's version id takes part only when there is no etag: a listing does not tell versions, and the same image must
 * get the same id from a listing and from an event.
 *
 * The part that all items share is serialised once: a run asks for an id per item.
 */
export function resultIds(recipe: ResultRecipe): (item: Pick<ManifestLine, "key" | "etag" | "versionId">) => string {
  const { source, model, task, parameters, formats } = recipe;
  const head = `[${JSON.stringify(source)},`;
  const shared: Json = [`${model.name}@${model.version}`, model.sha256, task, parameters, formats, "clustseg.result/1"];
  const tail = `,${canonicalJson(shared).slice(1)}`;
  return ({ key, etag, versionId }) => {
    const identity = etag === "" ? (versionId ?? "") : etag;
    return sha256Hex(`${head}${JSON.stringify(key)},${JSON.stringify(identity)}${tail}`).slice(0, 32);
  };
}

/** Id of the run of one selection of a source: asked again for the same, the same run goes on. */
export function runIdOf(recipe: ResultRecipe, selection: Json, force: boolean): string {
  const { source, model, task, parameters, formats } = recipe;
  const identity: Json = [source, selection, { ...model }, task, parameters, formats, force, "clustseg.run/1"];
  return `r-${sha256Hex(canonicalJson(identity)).slice(0, 20)}`;
}
