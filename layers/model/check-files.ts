import { ClustsegError } from "../segments/errors.js";
import { checkIds, type IdsExpectation } from "./check-ids.js";
import { checkPng } from "./png-structure.js";

/** What a result's metadata.json says of its files. */
export interface ResultDescription extends Omit<IdsExpectation, "rows"> {
  readonly frame: { readonly width: number; readonly height: number };
  readonly segments_info: IdsExpectation["rows"];
}

/** Of the pictures that are as large as the frame. steps.png is smaller. */
const ofFrameSize: ReadonlySet<string> = new Set([
  "overlay.png",
  "mean.png",
  "panoptic.png",
  "classes.png",
  "palette.png",
]);

/**
 * Looks into the files of a result as if a stranger had written them, without a decoder that could be attacked: each PNG's
 * structure, checksums and size; every pixel of segments.png, against the list of segments; every text, whether it is UTF-8,
 * and JSON where its name says so. JPEGs are looked at as far as their first and last marker.
 *
 * @throws ClustsegError SEGMENT_MAP_INVALID
 */
export async function checkResultFiles(
  files: ReadonlyMap<string, Uint8Array>,
  description: ResultDescription,
): Promise<void> {
  const { frame, segments, segments_info: rows } = description;
  for (const [name, body] of files) {
    if (name === "metadata.json") continue;
    if (name === "segments.png") await checkIds(body, { frame, segments, rows });
    else if (name.endsWith(".png")) checkPng(name, body, ofFrameSize.has(name) ? frame : undefined);
    else if (name.endsWith(".jpg")) checkJpeg(name, body);
    else checkText(name, body);
  }
}

function checkJpeg(name: string, body: Uint8Array): void {
  const end = body.length;
  if (body[0] !== 0xff || body[1] !== 0xd8 || body[end - 2] !== 0xff || body[end - 1] !== 0xd9) {
    throw new ClustsegError("SEGMENT_MAP_INVALID", `${name} does not begin and end like a JPEG`, {
      hint: "Make the result anew.",
    });
  }
}

function checkText(name: string, body: Uint8Array): void {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    if (name.endsWith("json")) JSON.parse(text);
  } catch (cause) {
    throw new ClustsegError("SEGMENT_MAP_INVALID", `${name} is not what its name says`, {
      hint: "Make the result anew.",
      cause,
    });
  }
}
