import { asClustsegError } from "../segments/errors.js";
import type { SegmentMap } from "../segments/segment-map.js";
import { type SegmentRow, segmentTable } from "../segments/table.js";
import type { ResultMetadata } from "./contracts.js";
import { isResultFileName } from "./keys.js";
import type { ObjectStore } from "./ports.js";

/** One thing that must be so in every result. */
export interface Check {
  readonly what: string;
  readonly ok: boolean;
  /** What is wrong; only when it is. */
  readonly found?: string;
}

/**
 * Does a result agree with itself?
 * @param store the folder of the result
 * @param decodeIds reads segments.png; the model's, as nothing here decodes pictures
 */
export async function checkResult(
  store: ObjectStore,
  metadata: ResultMetadata,
  decodeIds: (png: Uint8Array) => Promise<SegmentMap>,
): Promise<Check[]> {
  const checks = [await checkFiles(store, metadata)];
  let map: SegmentMap;
  try {
    map = await decodeIds((await store.get("segments.png")).body);
  } catch (error) {
    return [...checks, failed("segments.png has ids 1 to n without gaps", asClustsegError(error).message)];
  }
  const { frame, segments } = metadata;
  checks.push({ what: "segments.png has ids 1 to n without gaps", ok: true });
  checks.push(
    check(
      "segments.png has the size of the frame",
      map.width === frame.width && map.height === frame.height,
      `${map.width} x ${map.height} instead of ${frame.width} x ${frame.height}`,
    ),
    check("the number of segments agrees", map.segments === segments, `${map.segments} instead of ${segments}`),
  );
  // Colours are not looked at, as the image is not here.
  const rows = segmentTable(map, new Uint8Array(map.width * map.height * 3));
  const different = rows.find((row, i) => !agree(row, metadata.segments_info[i]));
  checks.push(
    check(
      "areas and boxes agree",
      different === undefined && rows.length === metadata.segments_info.length,
      different === undefined ? "the lists differ in length" : `segment ${different.id} has ${different.area} pixels`,
    ),
  );
  return metadata.categories.length === 0 ? checks : [...checks, checkClasses(metadata)];
}

function checkClasses({ categories, segments_info: rows, task }: ResultMetadata): Check {
  const what = "every segment has a class of the list";
  const known = new Set(categories.map(({ id }) => id));
  const stray = rows.find(({ category_id: id }) => id === undefined || !known.has(id));
  if (stray !== undefined) return failed(what, `segment ${stray.id} has ${stray.category_id ?? "none"}`);
  if (task === "semantic" && new Set(rows.map((row) => row.category_id)).size < rows.length) {
    return failed(what, "a class has two segments, which a semantic result does not have");
  }
  return { what, ok: true };
}

async function checkFiles(store: ObjectStore, { files }: ResultMetadata): Promise<Check> {
  const wrong: string[] = [];
  for (const { name, bytes } of files) {
    // metadata.json is text that anybody may have edited: it must not make us look elsewhere.
    const found = isResultFileName(name) ? await store.head(name) : undefined;
    if (found === undefined) wrong.push(`${name} is missing`);
    else if (found.size !== bytes) wrong.push(`${name} has ${found.size} bytes instead of ${bytes}`);
  }
  return check("all files are there, with their sizes", wrong.length === 0, wrong.join(", "));
}

function agree(row: SegmentRow, said: ResultMetadata["segments_info"][number] | undefined): boolean {
  return said?.id === row.id && said.area === row.area && said.bbox.join() === row.bbox.join();
}

function check(what: string, ok: boolean, found: string): Check {
  return ok ? { what, ok } : failed(what, found);
}

function failed(what: string, found: string): Check {
  return { what, ok: false, found };
}
