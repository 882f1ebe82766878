import type { Classes } from "../segments/categories.js";
import { ClustsegError } from "../segments/errors.js";
import type { SegmentMap } from "../segments/segment-map.js";
import type { SegmentInfo } from "../segments/segments-info.js";
import { type SegmentRow, segmentTable } from "../segments/table.js";
import { claimOf } from "./claim.js";
import type { ResultMetadata } from "./contracts.js";
import { resultKey } from "./keys.js";
import { decodeMetadata } from "./metadata.js";
import type { ObjectStore } from "./ports.js";

/** A result as it lies in a store, read and found in agreement with itself. */
export interface LoadedResult {
  readonly key: string;
  readonly metadata: ResultMetadata;
  readonly map: SegmentMap;
  readonly rows: readonly SegmentRow[];
  readonly classes: Classes;
}

/** No real ones are near: 65,535 rows have some 10 MiB, and the largest frames' ids compress well. */
const maxMetadataBytes = 64 * 1024 ** 2;
const maxIdsBytes = 512 * 1024 ** 2;

/**
 * @param decodeIds reads segments.png; the model's, as nothing here decodes pictures
 * @throws ClustsegError METADATA_INVALID, SEGMENT_MAP_INVALID, OBJECT_* when the result is damaged; STORE_*
 */
export async function loadResult(
  results: ObjectStore,
  key: string,
  decodeIds: (png: Uint8Array) => Promise<SegmentMap>,
): Promise<LoadedResult> {
  const [about, ids] = await Promise.all([
    results.get(resultKey(key, "metadata.json"), { maxBytes: maxMetadataBytes }),
    results.get(resultKey(key, "segments.png"), { maxBytes: maxIdsBytes }),
  ]);
  if (claimOf(about.body) !== undefined) {
    throw new ClustsegError("OBJECT_CHANGED", `the result of ${key} is being replaced just now`, {
      hint: "Give the same command again in a moment.",
    });
  }
  const metadata = decodeMetadata(about.body, `metadata.json of ${key}`);
  const map = await decodeIds(ids.body);
  const { frame, task, categories, segments_info: said } = metadata;
  if (map.width !== frame.width || map.height !== frame.height) {
    throw disagree(
      key,
      `segments.png has ${map.width} x ${map.height} pixels, the frame ${frame.width} x ${frame.height}`,
    );
  }
  if (map.segments !== said.length) {
    throw disagree(key, `segments.png has ${map.segments} segments, metadata.json ${said.length}`);
  }
  // Areas and boxes come from the map; of colours only metadata.json knows, as the image is not here.
  const rows = segmentTable(map, new Uint8Array(3 * map.ids.length)).map((row, i) => rowOf(row, said[i]!, key));
  return { key, metadata, map, rows, classes: { task, categories } };
}

function rowOf(row: SegmentRow, said: SegmentInfo, key: string): SegmentRow {
  if (said.area !== row.area || said.bbox.join() !== row.bbox.join()) {
    throw disagree(key, `segment ${row.id} has another area or box in segments.png than in metadata.json`);
  }
  return {
    ...row,
    color: isColor(said.mean_color) ? said.mean_color : row.color,
    ...(said.category_id === undefined ? {} : { categoryId: said.category_id }),
    ...(said.isthing === undefined ? {} : { isThing: said.isthing }),
    ...(said.score === undefined ? {} : { score: said.score }),
  };
}

/** The schema leaves it open: nothing but tables of colours depends on it. */
function isColor(value: unknown): value is SegmentRow["color"] {
  return (
    Array.isArray(value) && value.length === 3 && value.every((one) => Number.isInteger(one) && one >= 0 && one <= 255)
  );
}

function disagree(key: string, what: string): ClustsegError {
  return new ClustsegError("SEGMENT_MAP_INVALID", `the result of ${key} does not agree with itself: ${what}`, {
    hint: "Segment the image again with --force; clustseg inspect tells more.",
  });
}
