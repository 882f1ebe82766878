import { asClustsegError, ClustsegError } from "../segments/errors.js";
import type { ManifestLine, ResultMetadata, RunRequest } from "./contracts.js";
import { decodeMetadata, resultIdOf } from "./metadata.js";
import type { PackItem } from "./pack.js";

/**
 * Looks into the files of a result (all but metadata.json, which has been validated by then), and throws if one is not what
 * metadata.json says. A port, as nothing here decodes pictures.
 */
export type FileCheck = (
  files: ReadonlyMap<string, Uint8Array>,
  metadata: Pick<ResultMetadata, "frame" | "segments" | "segments_info">,
) => Promise<void>;

/** What the items of a pack are held against. */
export interface Expectations {
  readonly request: RunRequest;
  readonly idOf: (item: ManifestLine) => string;
  readonly checkFiles: FileCheck | undefined;
  /** Milliseconds since 1970; undefined: how late an image may have been written is not looked at. */
  readonly now: number | undefined;
}

const pngSignature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const jpegSignature = [0xff, 0xd8, 0xff];
/** Longer texts are nobody's error message. */
const maxText = 4096;
/** Clocks differ; but a result that says it is of next year would never be replaced again. */
const maxClockSkewMs = 3_600_000;

/**
 * Hold one staged item against the request, the manifest's line and its own files.
 * @param expected the line of its key in the shard
 * @returns the result's metadata; undefined when it was not segmented
 * @throws ClustsegError PACK_FILE_REFUSED, METADATA_INVALID
 */
export async function validateItem(
  item: PackItem,
  expected: ManifestLine | undefined,
  { request, idOf, checkFiles, now }: Expectations,
): Promise<ResultMetadata | undefined> {
  const { outcome, files } = item;
  if (expected === undefined || expected.etag !== outcome.etag) throw refused(item, "it is not in the shard");
  if (outcome.result_id !== idOf(expected)) throw refused(item, "its result_id is not that of the request");
  if (outcome.status === "rejected" && outcome.error.message.length + outcome.error.hint.length > maxText) {
    throw refused(item, "its error is longer than errors are");
  }
  if (outcome.status !== "segmented") return undefined;

  for (const [name, body] of files) {
    const signature = name.endsWith(".png") ? pngSignature : name.endsWith(".jpg") ? jpegSignature : undefined;
    if (signature?.some((byte, i) => body[i] !== byte)) throw refused(item, `${name} is not what its name says`);
  }
  const document = files.get("metadata.json")!;
  const metadata = decodeMetadata(document, `metadata.json of ${outcome.key}`);
  if (metadata.segments !== metadata.segments_info.length || metadata.segments !== outcome.segments) {
    throw refused(item, "its metadata.json has another number of segments");
  }
  const objects = metadata.segments_info.filter(({ isthing }) => isthing).length;
  if (outcome.objects !== undefined && outcome.objects !== objects) {
    throw refused(item, "its metadata.json has another number of objects");
  }
  if (
    metadata.result_id !== outcome.result_id ||
    resultIdOf(document) !== outcome.result_id ||
    metadata.source.key !== outcome.key ||
    !isOfRequest(metadata, expected, request)
  ) {
    throw refused(item, "its metadata.json is that of another image");
  }
  const { last_modified: written } = metadata.source;
  if (now !== undefined && written !== undefined && Date.parse(written) > now + maxClockSkewMs) {
    throw refused(item, "its image is said to be of the future");
  }
  const listed = metadata.files.map(({ name, bytes }) => `${name} ${bytes}`).sort();
  const present = [...files]
    .filter(([name]) => name !== "metadata.json")
    .map(([name, body]) => `${name} ${body.length}`);
  if (listed.join() !== present.sort().join()) throw refused(item, "its metadata.json lists other files");
  if (metadata.frame.width !== outcome.frame.width || metadata.frame.height !== outcome.frame.height) {
    throw refused(item, "its metadata.json has another frame");
  }
  try {
    await checkFiles?.(files, metadata);
  } catch (cause) {
    throw refused(item, asClustsegError(cause).message, cause);
  }
  return metadata;
}

/** Does metadata.json tell the recipe and the upload that were asked for? The result's id hashes them; this is the text. */
function isOfRequest({ source, model, task }: ResultMetadata, line: ManifestLine, request: RunRequest): boolean {
  return (
    source.uri === request.source &&
    source.etag === line.etag &&
    source.version_id === line.versionId &&
    source.sequencer === line.sequencer &&
    model.sha256 === request.model.sha256 &&
    model.name === request.model.name &&
    model.version === request.model.version &&
    task === request.task
  );
}

export function refused({ outcome }: PackItem, what: string, cause?: unknown): ClustsegError {
  return new ClustsegError("PACK_FILE_REFUSED", `the staged result of ${outcome.key} is refused: ${what}`, {
    hint: "Nothing of its pack was published. If nobody edited the staging store, report this.",
    cause,
  });
}
