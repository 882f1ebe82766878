import { definition } from "../../infra/definition.js";
import type { State } from "../../infra/states.js";

/** What a walk through a state machine costs and leaves behind. */
export interface Walk {
  /** In order; each is one state transition on the bill. */
  readonly states: readonly string[];
  /** Entries of the execution's history, of which AWS allows 25,000. */
  readonly events: number;
}

interface Rule {
  readonly Variable: string;
  readonly Next: string;
  readonly [operator: string]: unknown;
}

/** The definition as infra/ deploys it, with names in the place of ARNs. */
export function deployedDefinition(): State {
  return definition({
    plan: "plan",
    publish: "publish",
    summarize: "summarize",
    quick: "quick",
    jobQueue: "queue",
    jobDefinition: "job",
    staging: { bucket: "staging", prefix: "" },
    shares: { upload: "upload", bulk: "bulk" },
    concurrency: 50,
    tolerated: 5,
  });
}

/**
 * Follow a state machine from its start to its end. Choices are decided by `data`, which stays as it is: nothing is run.
 * @param failing states whose task fails, so that the walk goes on at what catches
 * @throws Error on a rule it does not know, and when it goes in a circle
 */
export function walk(machine: State, data: object, failing: readonly string[] = []): Walk {
  const states = machine["States"] as Readonly<Record<string, State>>;
  const passed: string[] = [];
  let events = 2; // ExecutionStarted, ExecutionSucceeded
  let name = machine["StartAt"] as string | undefined;
  while (name !== undefined) {
    const state = states[name];
    if (state === undefined) throw new Error(`there is no state "${name}"`);
    if (passed.length > 100) throw new Error(`the walk goes in a circle: ${passed.slice(-6).join(", ")}`);
    passed.push(name);
    events += eventsOf(state);
    name = failing.includes(name) ? caughtBy(state, name) : nextOf(state, data);
  }
  return { states: passed, events };
}

/** The machine of one shard, within the Distributed Map. */
export function shardMachine(machine: State): State {
  const states = machine["States"] as Readonly<Record<string, State>>;
  const map = Object.values(states).find(({ Type }) => Type === "Map");
  if (map === undefined) throw new Error("the state machine has no Map");
  return map["ItemProcessor"] as State;
}

/** How often a task may be tried again, over all of its rules. */
export function retriesOf(state: State): number {
  const rules = (state["Retry"] ?? []) as readonly { readonly MaxAttempts: number }[];
  return rules.reduce((sum, { MaxAttempts }) => sum + MaxAttempts, 0);
}

/** Entered and Exited, and what lies between: a task is scheduled, started and succeeds; one that is waited for is submitted, too. */
function eventsOf(state: State): number {
  switch (state["Type"]) {
    case "Task":
      return String(state["Resource"]).endsWith(".sync") ? 6 : 5;
    case "Map":
      return 5;
    case "Succeed":
    case "Fail":
      return 1;
    default:
      return 2;
  }
}

function nextOf(state: State, data: object): string | undefined {
  if (state["Type"] !== "Choice") return state["Next"] as string | undefined;
  const rules = state["Choices"] as readonly Rule[];
  return rules.find((rule) => holds(rule, data))?.Next ?? (state["Default"] as string | undefined);
}

function holds({ Variable, Next: _, ...tests }: Rule, data: object): boolean {
  const value = Variable.split(".")
    .slice(1)
    .reduce<unknown>((at, field) => (at as Record<string, unknown> | undefined)?.[field], data);
  return Object.entries(tests).every(([operator, wanted]) => {
    switch (operator) {
      case "IsPresent":
        return (value !== undefined) === wanted;
      case "StringEquals":
      case "NumericEquals":
      case "BooleanEquals":
        return value === wanted;
      case "NumericGreaterThanEquals":
        return Number(value) >= Number(wanted);
      default:
        throw new Error(`a rule with ${operator} is not known here`);
    }
  });
}

function caughtBy(state: State, name: string): string {
  const [rule] = (state["Catch"] ?? []) as readonly { readonly Next: string }[];
  if (rule === undefined) throw new Error(`nothing catches what fails in "${name}"`);
  return rule.Next;
}
