import type { ObjectStore } from "../pipeline/ports.js";
import { ClustsegError } from "../segments/errors.js";
import type { SourceIdentity } from "./result-summary.js";

/** The store that a source's URI names, or undefined when the viewer must not or cannot read it. */
export type OpenSource = (uri: string) => ObjectStore | undefined;

const maxImageBytes = 1024 ** 3;

/**
 * The image that a result was made from, if it still is that very image (by its etag) and one that browsers show. What it is
 * is told by its first bytes and by nothing else: results can come from strangers, and their metadata names the file.
 */
export async function readSourceImage(
  openSource: OpenSource,
  { uri, key, etag }: SourceIdentity,
): Promise<{ readonly body: Uint8Array; readonly type: string } | undefined> {
  const store = openSource(uri);
  if (store === undefined || etag === "") return undefined;
  try {
    const { body: head } = await store.get(key, { range: { start: 0, end: 16 }, ifMatch: etag });
    const type = imageType(head);
    if (type === undefined) return undefined;
    return { body: (await store.get(key, { ifMatch: etag, maxBytes: maxImageBytes })).body, type };
  } catch (error) {
    if (error instanceof ClustsegError && error.fault === "input") return undefined;
    throw error;
  }
}

/** Content type by the first 16 bytes; undefined for what is no picture, and for TIFF, which hardly a browser shows. */
export function imageType(head: Uint8Array): string | undefined {
  const text = String.fromCharCode(...head.subarray(0, 16));
  if (text.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return "image/png";
  if (/^GIF8[79]a/.test(text)) return "image/gif";
  if (/^RIFF.{4}WEBP/s.test(text)) return "image/webp";
  if (/^.{4}ftypavi[fs]/s.test(text)) return "image/avif";
  return undefined;
}
