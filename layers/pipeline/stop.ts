import { ClustsegError } from "../segments/errors.js";
import { type StopMarker, stopMarkerSchema } from "./cloud-contracts.js";
import { parseDocument } from "./contracts.js";
import { stagingKeys } from "./keys.js";
import type { Clock, ObjectStore } from "./ports.js";

/** Mark a run as stopped: whoever works on it finishes what is in hand and begins nothing more. The first reason stays. */
export async function stopRun(
  staging: ObjectStore,
  runId: string,
  reason: StopMarker["reason"],
  clock: Clock,
): Promise<void> {
  const marker: StopMarker = { schema: "clustseg.stop/1", reason, at: new Date(clock.now()).toISOString() };
  const body = new TextEncoder().encode(`${JSON.stringify(marker)}\n`);
  await staging.put(stagingKeys(runId).stop, body, { contentType: "application/json", ifAbsent: true });
}

/** Was the run stopped? One HEAD, that finds nothing, when it was not. */
export async function isStopped(staging: ObjectStore, runId: string): Promise<boolean> {
  return (await staging.head(stagingKeys(runId).stop)) !== undefined;
}

/** Why the run was stopped; undefined when it was not. A marker that cannot be read is somebody's wish to stop, too. */
export async function readStop(staging: ObjectStore, runId: string): Promise<StopMarker["reason"] | undefined> {
  const { stop: key } = stagingKeys(runId);
  if (!(await isStopped(staging, runId))) return undefined;
  try {
    const { body } = await staging.get(key, { maxBytes: 4096 });
    return parseDocument(stopMarkerSchema, new TextDecoder().decode(body), "MANIFEST_INVALID", key).reason;
  } catch (error) {
    if (!(error instanceof ClustsegError) || error.fault !== "input") throw error;
    return error.code === "OBJECT_NOT_FOUND" ? undefined : "cancelled";
  }
}
