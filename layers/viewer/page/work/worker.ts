import { decodeGreyPng } from "../data/png.js";
import { findAnchors } from "../draw/anchors.js";
import { boxesOf, largestId } from "../draw/labels.js";
import { fetchBytes } from "./fetch.js";
import type { JobMessage, JobReply, Jobs, LoadedLabels } from "./jobs.js";
import { drawThumbnail } from "./thumbnail.js";

/** The worker thread: jobs come as messages and go as messages. */

const jobs: {
  [N in keyof Jobs]: (ask: Jobs[N]["ask"]) => Promise<{ answer: Jobs[N]["answer"]; own: Transferable[] }>;
} = {
  labels: async ({ address }) => {
    const answer = await loadLabels(address);
    return {
      answer,
      own: [answer.ids.buffer, answer.anchors.at.buffer, answer.anchors.radius.buffer, answer.boxes.buffer],
    };
  },
  grey: async ({ address }) => {
    const answer = await decodeGreyPng(await fetchBytes(address));
    return { answer, own: [answer.values.buffer] };
  },
  thumbnail: async (ask) => {
    const answer = await drawThumbnail(ask);
    return { answer, own: [answer] };
  },
};

async function loadLabels(address: string): Promise<LoadedLabels> {
  const { width, height, values: ids } = await decodeGreyPng(await fetchBytes(address));
  const labels = { width, height, ids };
  const largest = largestId(labels);
  return { ...labels, largest, anchors: findAnchors(labels, largest), boxes: boxesOf(labels, largest) };
}

/** The worker's own global; the page's types know a window only. */
interface WorkerScope {
  postMessage(message: JobReply, transfer: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent<JobMessage>) => void): void;
}
const scope = globalThis as unknown as WorkerScope;

scope.addEventListener("message", ({ data: { id, name, ask } }) => {
  const job = jobs[name] as (ask: unknown) => Promise<{ answer: Jobs[typeof name]["answer"]; own: Transferable[] }>;
  job(ask).then(
    ({ answer, own }) => scope.postMessage({ id, answer }, own),
    (error: unknown) => scope.postMessage({ id, error: error instanceof Error ? error.message : String(error) }, []),
  );
});
