import { ClustsegError } from "../segments/errors.js";
import { segmentsInfo } from "../segments/segments-info.js";
import { type ManifestLine, metadataSchema, parseDocument, type ResultMetadata, type RunRequest } from "./contracts.js";
import { type ResultFileName, resultKey } from "./keys.js";
import type { ObjectStore, SegmentedImage } from "./ports.js";

/** Enough for the beginning that tells a result's id. */
export const metadataHeadBytes = 256;

const utf8 = new TextEncoder();

/**
 * A result's metadata.json. It holds nothing that differs between two runs (no times, no dates), and begins with schema and
 * result_id, so that a read of its first `metadataHeadBytes` tells whether the result is current.
 *
 * @param lastModified of the image in its store, ms; undefined where the store does not tell
 */
export function encodeMetadata(
  request: RunRequest,
  item: ManifestLine,
  resultId: string,
  image: SegmentedImage,
  lastModified?: number,
): Uint8Array {
  const { frame, files } = image;
  const { key, etag, versionId, sequencer, size } = item;
  const { name, version, sha256 } = request.model;
  const document = {
    schema: "clustseg.result/1",
    result_id: resultId,
    source: {
      uri: request.source,
      key,
      etag,
      ...(versionId === undefined ? {} : { version_id: versionId }),
      ...(sequencer === undefined ? {} : { sequencer }),
      ...(lastModified === undefined ? {} : { last_modified: new Date(lastModified).toISOString() }),
      size,
    },
    frame,
    model: { name, version, sha256 },
    task: request.task,
    parameters: request.parameters,
    formats: request.formats,
    segments: image.segments.length,
    segments_info: segmentsInfo(image.segments),
    categories: image.categories ?? [],
    files: [...files].map(([name, body]) => ({ name, bytes: body.length })),
  };
  return utf8.encode(`${JSON.stringify(document)}\n`);
}

/** @throws ClustsegError METADATA_INVALID */
export function decodeMetadata(bytes: Uint8Array, what: string): ResultMetadata {
  return parseDocument(metadataSchema, new TextDecoder().decode(bytes), "METADATA_INVALID", what);
}

const head = /^\{"schema":"clustseg\.result\/1","result_id":"([0-9a-f]{32})"/;

/** The id that a metadata.json begins with; undefined when it is none of this version. @param bytes the first 256, or more */
export function resultIdOf(bytes: Uint8Array): string | undefined {
  return head.exec(new TextDecoder().decode(bytes.subarray(0, metadataHeadBytes)))?.[1];
}

/** Id of the result that lies in `results` for image `key`; undefined when there is none, or none of this version. */
export async function storedResultId(results: ObjectStore, key: string): Promise<string | undefined> {
  try {
    const { body } = await results.get(resultKey(key, "metadata.json"), {
      range: { start: 0, end: metadataHeadBytes },
    });
    return resultIdOf(body);
  } catch (error) {
    if (error instanceof ClustsegError && error.fault === "input") return undefined;
    throw error;
  }
}

/** Does `results` hold this file of image `key`, with bytes in it (so many of them, if `bytes` is given)? */
export async function hasResultFile(
  results: ObjectStore,
  key: string,
  name: ResultFileName,
  bytes?: number,
): Promise<boolean> {
  try {
    const size = (await results.head(resultKey(key, name)))?.size ?? 0;
    return bytes === undefined ? size > 0 : size === bytes;
  } catch (error) {
    if (error instanceof ClustsegError && error.fault === "input") return false;
    throw error;
  }
}
