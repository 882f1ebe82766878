import { createHash } from "node:crypto";
import { ClustsegError } from "../segments/errors.js";

/**
 * Keys and file names. A key is split at "/", and each segment is the name of a folder or file as it is, save for what a
 * file system cannot hold or must not:
 *
 *   ".", "..", "", names that begin with ".clustseg" (ours) or with the marker, and characters that are not allowed
 *                  -> "%clustseg-e-" + the segment, percent-encoded
 *   names too long -> "%clustseg-h-" + the segment's SHA-256; the segment itself is kept in `.clustseg/names/`
 *
 * Both ways are one to one: every name that a listing meets is the name of exactly one segment, or is reported.
 */

const marker = "%clustseg-";
const escapedMarker = `${marker}e-`;
const longMarker = `${marker}h-`;
/** Of ext4, APFS, NTFS (there in UTF-16 units, which are never more than bytes). */
const maxNameBytes = 255;

export interface NameRules {
  /** Also keep to what Windows can hold. */
  readonly windows: boolean;
}

export interface FolderName {
  readonly name: string;
  /** Set when the name is a hash: the segment has to be kept elsewhere. */
  readonly long: boolean;
}

/** Ours, and never the name of a segment: temporary files, names, staging. */
export function isPrivateName(name: string): boolean {
  return name.toLowerCase().startsWith(".clustseg");
}

/** @throws ClustsegError OBJECT_KEY_INVALID */
export function namesOfKey(key: string, rules: NameRules): FolderName[] {
  if (key === "" || /\p{Surrogate}/u.test(key)) {
    throw new ClustsegError("OBJECT_KEY_INVALID", "a key is empty or not Unicode text", { hint: "Rename the object." });
  }
  return key.split("/").map((segment) => nameOfSegment(segment, rules));
}

export function nameOfSegment(segment: string, rules: NameRules): FolderName {
  const plain = !needsEscape(segment, rules);
  const name = plain ? segment : `${escapedMarker}${percentEncode(segment)}`;
  if (fits(name)) return { name, long: false };
  return { name: `${longMarker}${createHash("sha256").update(segment).digest("hex")}`, long: true };
}

/**
 * The segment that `name` stands for; undefined when it stands for none (it is ours, or looks like an escape but is not).
 * @param longSegment what is kept for a hashed name
 */
export function segmentOfName(
  name: string,
  rules: NameRules,
  longSegment: (name: string) => string | undefined,
): string | undefined {
  if (isPrivateName(name)) return undefined;
  if (!name.startsWith(marker)) return name;
  const segment = name.startsWith(longMarker) ? longSegment(name) : unescaped(name);
  // Whoever writes such names by hand must not get two names for one key, nor a segment with a "/".
  if (segment === undefined || segment.includes("/")) return undefined;
  return nameOfSegment(segment, rules).name === name ? segment : undefined;
}

function unescaped(name: string): string | undefined {
  try {
    return decodeURIComponent(name.slice(escapedMarker.length));
  } catch {
    return undefined;
  }
}

function needsEscape(segment: string, { windows }: NameRules): boolean {
  if (segment === "" || segment === "." || segment === ".." || segment.includes("\0")) return true;
  if (isPrivateName(segment) || segment.startsWith(marker)) return true;
  return windows && (windowsCharacters.test(segment) || windowsNames.test(segment) || /[. ]$/.test(segment));
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what Windows forbids
const windowsCharacters = /[<>:"\\|?*\u0000-\u001f]/;
const windowsNames = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;

function percentEncode(segment: string): string {
  // encodeURIComponent leaves "." and "*" as they are: the one would make "..", the other is nothing for Windows.
  return encodeURIComponent(segment).replace(/[.*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function fits(name: string): boolean {
  // UTF-8 has at most three bytes per UTF-16 unit, so most names need not be measured.
  return name.length * 3 <= maxNameBytes || Buffer.byteLength(name) <= maxNameBytes;
}
