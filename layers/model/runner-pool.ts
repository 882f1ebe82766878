import { type GraphRunner, openRunner, type RunnerOptions } from "./runner.js";

/**
 * Several runners of one graph that look like one: a run goes to the runner with the shortest line. Two images on one thread each
 * take less time than one after the other on two, as a single run does not keep two threads busy.
 *
 * @param workers how many; each holds the graph and its scratch memory
 * @throws ClustsegError as openRunner does; none is left open then
 */
export async function openRunners(
  loadGraph: () => Promise<Uint8Array<ArrayBuffer>>,
  options: RunnerOptions,
  workers: number,
): Promise<GraphRunner> {
  const first = await openRunner(loadGraph, options);
  if (workers <= 1) return first;
  const runners = [first];
  try {
    while (runners.length < workers) runners.push(await openRunner(loadGraph, options));
  } catch (error) {
    await Promise.all(runners.map((runner) => runner.close()));
    throw error;
  }
  const lines = runners.map((runner) => ({ runner, length: 0 }));
  return {
    provider: first.provider,
    refused: first.refused,
    inputs: first.inputs,
    outputs: first.outputs,
    workers,
    async run(feeds) {
      const line = lines.reduce((shortest, other) => (other.length < shortest.length ? other : shortest));
      line.length++;
      try {
        return await line.runner.run(feeds);
      } finally {
        line.length--;
      }
    },
    async close() {
      await Promise.all(runners.map((runner) => runner.close()));
    },
  };
}
