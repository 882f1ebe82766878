import { readPrices } from "../bin/cloud/prices.js";
import { segmentRounds } from "../infra/definition.js";
import { type BenchResult, bench, type CommonOptions } from "./support/bench.js";
import { rounded, table } from "./support/figures.js";
import { deployedDefinition, retriesOf, shardMachine, type Walk, walk } from "./support/state-machine.js";

/** AWS ends an execution whose history is longer. */
const eventsAtMost = 25_000;

interface Path {
  readonly name: string;
  readonly walk: Walk;
}

function runPaths(): Path[] {
  const machine = deployedDefinition();
  const published = { missing: 0 };
  const summary = { status: "completed" };
  const upload = { run_id: "run", summary, published };
  return [
    {
      name: "run, bulk, around its shards",
      walk: walk(machine, { submit: {}, plan: { run: { route: "batch" } }, summary }),
    },
    { name: "run, uploads, around its shards", walk: walk(machine, { ...upload, plan: { run: { route: "batch" } } }) },
    {
      name: "run, uploads, quick",
      walk: walk(machine, {
        ...upload,
        plan: { run: { route: "quick" } },
        quick: { complete: true },
        counted: { round: 1 },
      }),
    },
    { name: "run, nothing to do", walk: walk(machine, { ...upload, plan: { run: { route: "none" } } }) },
  ];
}

function shardPaths(): Path[] {
  const shard = shardMachine(deployedDefinition());
  return [
    { name: "shard", walk: walk(shard, { round: 1, published: { missing: 0 } }) },
    {
      name: "shard whose job failed for good",
      walk: walk(shard, { round: 1, failure: {}, published: { missing: 1 } }, ["Segment"]),
    },
  ];
}

/** The longest history of a shard: segmented in each round, and each task tried again as often as it may be. */
function longestHistory(): number {
  const shard = shardMachine(deployedDefinition());
  const states = shard["States"] as Readonly<Record<string, Parameters<typeof retriesOf>[0]>>;
  const { events } = walk(shard, { round: 1, published: { missing: 0 } });
  // A try that fails is scheduled, started, submitted, and fails.
  const retries = Object.values(states).reduce((sum, state) => sum + 4 * retriesOf(state), 0);
  return segmentRounds * (events + retries + 4);
}

async function main(): Promise<BenchResult> {
  const prices = readPrices();
  const paths = [...runPaths(), ...shardPaths()].map(({ name, walk: { states, events } }) => ({
    path: name,
    transitions: states.length,
    events,
    dollars_per_1000: rounded(states.length * prices.transitions_per_1000, 3),
    states,
  }));
  console.log(
    table(
      ["path", "state transitions", "events", "dollars per 1,000"],
      paths.map(({ path, transitions, events, dollars_per_1000: dollars }) => [path, transitions, events, dollars]),
    ),
  );
  const longest = longestHistory();
  console.log(`\nlongest history of a shard: ${longest} events (AWS: at most ${eventsAtMost})`);
  console.log("The map's own execution has one entry for all of its shards, however many they are.");
  return { paths, longest_shard_history: longest, events_at_most: eventsAtMost };
}

await bench<CommonOptions>({
  name: "cloud-overhead",
  about: "what the state machine costs a run and a shard: state transitions, events of history, dollars",
  main,
});
