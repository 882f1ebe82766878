import { describe, expect, it } from "vitest";
import { readFigures } from "../../bench/scale/figures.js";
import { deployedDefinition, shardMachine, walk } from "../../bench/support/state-machine.js";

const { figures } = readFigures();
const summary = { status: "completed" };

describe("the state machine's overhead", () => {
  it("is what figures.json says, for a shard in which nothing fails", () => {
    const { states, events } = walk(shardMachine(deployedDefinition()), { round: 1, published: { missing: 0 } });

    expect(states).toEqual(["Segment", "Publish", "Complete", "Shard done"]);
    expect(figures.transitions_per_shard.value).toBe(states.length);
    expect(events).toBeLessThan(100);
  });

  it("is what figures.json says, for a run around its shards", () => {
    const { states } = walk(deployedDefinition(), { submit: {}, plan: { run: { route: "batch" } }, summary });

    expect(states).toContain("Shards");
    expect(figures.transitions_per_run.value).toBe(states.length);
  });

  it("takes the quick path when plan says so, and none when there is nothing to do", () => {
    const data = { quick: { complete: true }, counted: { round: 1 }, published: { missing: 0 }, summary };
    const quick = walk(deployedDefinition(), { ...data, plan: { run: { route: "quick" } } });
    const nothing = walk(deployedDefinition(), { summary, plan: { run: { route: "none" } } });

    expect(quick.states).toContain("Quick");
    expect(quick.states).not.toContain("Shards");
    expect(nothing.states).not.toContain("Quick");
    expect(nothing.states).toContain("Summarize");
  });

  it("publishes also after a job that failed, and then gives the shard up", () => {
    const data = { round: 1, failure: {}, published: { missing: 2 } };
    const { states } = walk(shardMachine(deployedDefinition()), data, ["Segment"]);

    expect(states).toEqual(["Segment", "Publish", "Complete", "Shard failed"]);
  });

  it("says when a choice goes in a circle, which a walk with unchanging data cannot leave", () => {
    const data = { round: 1, published: { missing: 2 } };

    expect(() => walk(shardMachine(deployedDefinition()), data)).toThrow("goes in a circle");
  });
});
