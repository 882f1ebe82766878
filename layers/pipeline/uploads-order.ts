/** Which of several uploads of one key is the later. */

/** What is known of one upload, from its event and from the store. */
export interface Upload {
  readonly etag: string;
  readonly version_id?: string;
  readonly sequencer?: string;
  /** ISO 8601; S3 tells whole seconds. */
  readonly last_modified?: string;
}

/** S3's sequencers: hexadecimal numbers of varying length, the shorter to be padded with zeros on the right. */
export function compareSequencers(a = "", b = ""): number {
  const length = Math.max(a.length, b.length);
  const [x, y] = [a.padEnd(length, "0"), b.padEnd(length, "0")];
  return x === y ? 0 : x < y ? -1 : 1;
}

/** The same upload? By version where both have one, else by bytes. */
export function isSameUpload(a: Upload, b: Upload): boolean {
  if (a.version_id !== undefined && b.version_id !== undefined) return a.version_id === b.version_id;
  return a.etag === b.etag;
}

/**
 * Was `a` uploaded after `b`? By sequencer, else by time. Where neither tells, an order that at least does not depend on who
 * asks first.
 */
export function isLaterUpload(a: Upload, b: Upload): boolean {
  if (a.sequencer !== undefined && b.sequencer !== undefined) {
    const order = compareSequencers(a.sequencer, b.sequencer);
    if (order !== 0) return order > 0;
  }
  if (a.last_modified !== undefined && b.last_modified !== undefined && a.last_modified !== b.last_modified) {
    return Date.parse(a.last_modified) > Date.parse(b.last_modified);
  }
  return `${a.version_id ?? ""} ${a.etag}` > `${b.version_id ?? ""} ${b.etag}`;
}

/** What is known of neither cannot be told apart in time: then the one that comes is taken for the later. */
export function hasOrder(upload: Upload): boolean {
  return upload.sequencer !== undefined || upload.last_modified !== undefined;
}
