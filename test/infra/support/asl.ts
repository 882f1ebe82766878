/**
 * An interpreter for as much of the Amazon States Language (JSONPath) as our definition uses, in which tasks are answered by the
 * test: it tells which way a run goes. moto's own interpreter runs the same definition end to end in test/cloud.
 */

// biome-ignore lint/suspicious/noExplicitAny: states and their data are JSON.
type Json = any;

export class StateError extends Error {
  constructor(
    readonly code: string,
    cause = "",
  ) {
    super(`${code}: ${cause}`);
  }
}

export interface Machine {
  /** Answers a task: `resource` is its Resource, `parameters` what it is given. Throws StateError to fail. */
  readonly task: (resource: string, parameters: Json) => Json;
  /** What an ItemReader reads. */
  readonly items?: (parameters: Json) => readonly Json[];
  readonly executionName?: string;
}

export interface Ending {
  readonly succeeded: boolean;
  readonly output: Json;
  /** Names of the states, in order; those of a map's children behind "Shards/". */
  readonly path: readonly string[];
}

export function execute(definition: Json, input: Json, machine: Machine): Ending {
  const path: string[] = [];
  const context: Json = { Execution: { Name: machine.executionName ?? "run" } };
  let name: string = definition.StartAt;
  let data: Json = input;
  for (let steps = 0; steps < 200; steps++) {
    const state = definition.States[name];
    if (state === undefined) throw new Error(`no state ${name}`);
    path.push(name);
    try {
      if (state.Type === "Succeed") return { succeeded: true, output: data, path };
      if (state.Type === "Fail") return { succeeded: false, output: { Error: state.Error, Cause: state.Cause }, path };
      if (state.Type === "Choice") {
        name = choose(state, data) ?? fail(`no choice in ${name}`);
        continue;
      }
      const result = run(state, data, context, machine, path, name);
      data = put(data, state.ResultPath, state.ResultSelector ? fill(state.ResultSelector, result, context) : result);
      if (state.End) return { succeeded: true, output: data, path };
      name = state.Next;
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      const handler = state.Catch?.find(
        ({ ErrorEquals }: Json) => ErrorEquals.includes("States.ALL") || ErrorEquals.includes(error.code),
      );
      if (handler === undefined) return { succeeded: false, output: { Error: error.code }, path };
      data = put(data, handler.ResultPath, { Error: error.code, Cause: error.message });
      name = handler.Next;
    }
  }
  throw new Error(`more than 200 steps: ${path.join(" ")}`);
}

function run(state: Json, data: Json, context: Json, machine: Machine, path: string[], name: string): Json {
  const parameters = state.Parameters === undefined ? data : fill(state.Parameters, data, context);
  if (state.Type === "Pass") return state.Result ?? parameters;
  if (state.Type === "Task") return attempt(state, () => machine.task(state.Resource, parameters));
  if (state.Type !== "Map") throw new Error(`${state.Type} is not known here`);
  const items = machine.items?.(fill(state.ItemReader.Parameters, data, context)) ?? [];
  let failed = 0;
  return items.map((item) => {
    const selected = fill(state.ItemSelector, data, { ...context, Map: { Item: { Value: item } } });
    const ending = execute(state.ItemProcessor, selected, machine);
    path.push(...ending.path.map((one) => `${name}/${one}`));
    if (!ending.succeeded && ++failed > state.ToleratedFailureCount)
      throw new StateError("States.ExceedToleratedFailureThreshold");
    return ending.succeeded ? ending.output : undefined;
  });
}

/** With the state's retries, and without waiting. */
function attempt(state: Json, act: () => Json): Json {
  const tried = new Map<Json, number>();
  for (;;) {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      const rule = state.Retry?.find(({ ErrorEquals }: Json) => ErrorEquals.includes(error.code));
      const count = (tried.get(rule) ?? 0) + 1;
      tried.set(rule, count);
      if (rule === undefined || count > rule.MaxAttempts) throw error;
    }
  }
}

function choose({ Choices, Default }: Json, data: Json): string | undefined {
  const isTrue = (rule: Json): boolean => {
    const value = look(data, rule.Variable);
    if ("IsPresent" in rule) return (value !== undefined) === rule.IsPresent;
    if (value === undefined) throw new Error(`${rule.Variable} is not there`);
    if ("StringEquals" in rule) return value === rule.StringEquals;
    if ("BooleanEquals" in rule) return value === rule.BooleanEquals;
    if ("NumericEquals" in rule) return value === rule.NumericEquals;
    if ("NumericGreaterThanEquals" in rule) return value >= rule.NumericGreaterThanEquals;
    throw new Error(`unknown rule ${JSON.stringify(rule)}`);
  };
  return Choices.find(isTrue)?.Next ?? Default;
}

function fill(template: Json, data: Json, context: Json): Json {
  if (Array.isArray(template) || typeof template !== "object" || template === null) return template;
  return Object.fromEntries(
    Object.entries(template).map(([key, value]) =>
      key.endsWith(".$")
        ? [key.slice(0, -2), evaluate(String(value), data, context)]
        : [key, fill(value, data, context)],
    ),
  );
}

function evaluate(text: string, data: Json, context: Json): Json {
  const call = /^States\.(\w+)\((.*)\)$/.exec(text);
  if (call === null) {
    const value = text.startsWith("$$") ? look(context, text.slice(1)) : look(data, text);
    // AWS fails the execution there, and no Catch helps.
    if (value === undefined) throw new Error(`${text} is not there`);
    return value;
  }
  const given = (call[2] ?? "").split(/,\s*(?=(?:[^']*'[^']*')*[^']*$)/).map((one) => {
    if (one.startsWith("'")) return one.slice(1, -1);
    return /^-?\d+$/.test(one) ? Number(one) : evaluate(one, data, context);
  });
  if (call[1] === "Array") return given;
  if (call[1] === "MathAdd") return given[0] + given[1];
  if (call[1] === "Format") return given.slice(1).reduce((made, one) => made.replace("{}", String(one)), given[0]);
  throw new Error(`States.${call[1]} is not known here`);
}

function look(data: Json, path: string): Json {
  return path
    .split(".")
    .slice(1)
    .reduce((value, name) => value?.[name], data);
}

/** ResultPath: null drops the result, absent replaces all, "$.name" adds. */
function put(data: Json, path: string | null | undefined, value: Json): Json {
  if (path === null) return data;
  if (path === undefined) return value;
  const [, name = "", ...more] = path.split(".");
  if (more.length > 0) throw new Error(`ResultPath ${path} is not known here`);
  return { ...data, [name]: value };
}

function fail(why: string): never {
  throw new Error(why);
}
