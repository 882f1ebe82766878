import { type ChildProcess, fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { resolve } from "node:path";
import type { DeployedCode } from "./deployed-code.js";
import { emulatorFolder, region, unsigned } from "./moto.js";
import type { Service } from "./proxy.js";

export interface FunctionsOptions {
  /** Of the proxy. */
  readonly endpoint: () => string;
  /** Of moto itself. */
  readonly motoUrl: () => string;
  readonly code: DeployedCode;
  /** The Node that runs the bundles. */
  readonly node: string;
  /** Folder for what functions print, a file a function. */
  readonly logs: string;
  /** Execution environments of one function at most. @default 4 */
  readonly concurrency?: number;
}

interface Configuration {
  readonly FunctionName: string;
  readonly FunctionArn: string;
  readonly Handler: string;
  readonly Timeout: number;
  readonly MemorySize: number;
  readonly Environment?: { readonly Variables?: Readonly<Record<string, string>> };
  readonly Layers?: readonly { readonly Arn: string }[];
}

export interface Invocation {
  /** JSON text. */
  readonly payload: string;
  readonly functionError?: "Unhandled";
}

interface Environment {
  readonly process: ChildProcess;
  /** Its access key id, by which the proxy knows it. */
  readonly caller: string;
  busy: boolean;
}

interface Pool {
  readonly configuration: Configuration;
  readonly environments: Environment[];
  starting: number;
  readonly waiting: (() => void)[];
}

/** What a process says over its channel. */
type Message =
  | { readonly kind: "ready"; readonly ms: number }
  | { readonly kind: "broken"; readonly error: object }
  | { readonly kind: "result"; readonly id: string; readonly result: unknown }
  | { readonly kind: "error"; readonly id: string; readonly error: object };

/**
 * Lambda's data plane: Invoke runs the very zip that was deployed, in child processes that are kept warm as Lambda keeps them.
 * Ours: starting, freezing, time limits, concurrency. moto's: all that describes functions.
 */
export class Functions {
  readonly #options: FunctionsOptions;
  readonly #pools = new Map<string, Promise<Pool>>();
  #environments = 0;
  /** Milliseconds from the import of a bundle to its handler, by function, of each cold start. */
  readonly coldStarts = new Map<string, number[]>();
  invocations = 0;

  constructor(options: FunctionsOptions) {
    this.#options = options;
  }

  /** Answers Invoke. */
  readonly service: Service = (call, body) => {
    const match = /^POST \/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(call.operation);
    if (match?.[1] === undefined) return undefined;
    const name = functionName(decodeURIComponent(match[1]));
    return this.invoke(name, body.length === 0 ? null : JSON.parse(body.toString())).then(
      ({ payload, functionError }) => ({
        status: 200,
        headers: functionError === undefined ? {} : { "x-amz-function-error": functionError },
        body: payload,
      }),
    );
  };

  async invoke(name: string, event: unknown): Promise<Invocation> {
    this.invocations++;
    const pool = await this.#pool(name);
    const environment = await this.#take(pool);
    if ("error" in environment) return { payload: JSON.stringify(environment.error), functionError: "Unhandled" };
    try {
      return await run(environment, pool.configuration, event);
    } finally {
      environment.busy = false;
      if (environment.process.exitCode !== null || environment.process.signalCode !== null) drop(pool, environment);
      pool.waiting.shift()?.();
    }
  }

  /** SIGKILL to the one process of a function that made a call. @param caller `Call.caller` @returns whether there was one */
  async kill(caller: string): Promise<boolean> {
    for (const pool of this.#pools.values()) {
      const found = (await pool).environments.find((environment) => environment.caller === caller);
      if (found !== undefined) return found.process.kill("SIGKILL");
    }
    return false;
  }

  /** Forget all warm environments and what was read of functions: another stack, or another version, was deployed. */
  async reset(): Promise<void> {
    for (const pool of this.#pools.values()) {
      for (const { process } of (await pool.catch(() => undefined))?.environments ?? []) process.kill("SIGKILL");
    }
    this.#pools.clear();
  }

  #pool(name: string): Promise<Pool> {
    const known = this.#pools.get(name);
    if (known !== undefined) return known;
    const made = this.#describe(name).then((configuration) => ({
      configuration,
      environments: [],
      starting: 0,
      waiting: [],
    }));
    this.#pools.set(name, made);
    made.catch(() => this.#pools.delete(name));
    return made;
  }

  async #describe(name: string): Promise<Configuration> {
    const url = `${this.#options.motoUrl()}/2015-03-31/functions/${encodeURIComponent(name)}`;
    const answer = await fetch(url, { headers: unsigned("lambda") });
    if (!answer.ok) throw new Error(`there is no function ${name} (${answer.status})`);
    return ((await answer.json()) as { Configuration: Configuration }).Configuration;
  }

  async #take(pool: Pool): Promise<Environment | { readonly error: object }> {
    for (;;) {
      const free = pool.environments.find(({ busy }) => !busy);
      if (free !== undefined) {
        free.busy = true;
        return free;
      }
      if (pool.environments.length + pool.starting < (this.#options.concurrency ?? 4)) {
        pool.starting++;
        try {
          const started = await this.#start(pool.configuration);
          if ("error" in started) return started;
          pool.environments.push(started);
          return started;
        } finally {
          pool.starting--;
        }
      }
      await new Promise<void>((freed) => pool.waiting.push(freed));
    }
  }

  async #start(configuration: Configuration): Promise<Environment | { readonly error: object }> {
    const { code, endpoint, node, logs } = this.#options;
    const { FunctionName: name, Handler, MemorySize } = configuration;
    const root = await code.ofFunction(name);
    const opt = await code.ofLayers((configuration.Layers ?? []).map(({ Arn }) => Arn));
    // A path below /opt is one of the layers, which are unpacked elsewhere here.
    const variables = Object.entries(configuration.Environment?.Variables ?? {}).map(
      ([key, value]) => [key, value.replace(/^\/opt(?=\/|$)/, opt)] as const,
    );
    const caller = `${stageOf(name)}.${++this.#environments}`;
    const log = openSync(resolve(logs, `${name}.log`), "a");
    const child = fork(resolve(emulatorFolder, "lambda-process.mjs"), [], {
      execPath: node,
      // Lambda gives V8 about the function's memory.
      execArgv: [`--max-old-space-size=${Math.floor(MemorySize * 0.9)}`],
      cwd: root,
      stdio: ["ignore", log, log, "ipc"],
      env: {
        PATH: "/usr/local/bin:/usr/bin:/bin",
        TZ: ":UTC",
        LANG: "en_US.UTF-8",
        ...Object.fromEntries(variables),
        _HANDLER: Handler,
        LAMBDA_TASK_ROOT: root,
        NODE_PATH: `${opt}/nodejs/node_modules:${code.runtimeModules}`,
        CLUSTSEG_OPT: opt,
        AWS_LAMBDA_FUNCTION_NAME: name,
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(MemorySize),
        AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
        AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`,
        AWS_EXECUTION_ENV: "AWS_Lambda_nodejs22.x",
        AWS_REGION: region,
        AWS_DEFAULT_REGION: region,
        AWS_ENDPOINT_URL: endpoint(),
        AWS_ACCESS_KEY_ID: caller,
        AWS_SECRET_ACCESS_KEY: "emulator",
      },
    });
    closeSync(log);
    return new Promise((settle) => {
      child.once("message", (message: Message) => {
        if (message.kind === "ready") {
          this.coldStarts.set(name, [...(this.coldStarts.get(name) ?? []), message.ms]);
          settle({ process: child, caller, busy: true });
        } else {
          child.kill("SIGKILL");
          settle({ error: message.kind === "broken" ? message.error : {} });
        }
      });
      child.once("exit", () =>
        settle({ error: { errorType: "Runtime.ExitError", errorMessage: "exited at its start" } }),
      );
      child.once("error", ({ message }) =>
        settle({ error: { errorType: "Runtime.ExitError", errorMessage: message } }),
      );
    });
  }
}

async function run(
  { process: child }: Environment,
  { FunctionName, FunctionArn, Timeout, MemorySize }: Configuration,
  event: unknown,
): Promise<Invocation> {
  const id = randomUUID();
  return new Promise((settle) => {
    const end = (invocation: Invocation) => {
      clearTimeout(timer);
      child.off("message", listen);
      child.off("exit", exited);
      settle(invocation);
    };
    const fail = (error: object) => end({ payload: JSON.stringify(error), functionError: "Unhandled" });
    const listen = (message: Message) => {
      if (message.kind === "result" && message.id === id) end({ payload: JSON.stringify(message.result) });
      if (message.kind === "error" && message.id === id) fail(message.error);
    };
    const exited = (_: number | null, signal: NodeJS.Signals | null) =>
      fail({
        errorType: "Runtime.ExitError",
        errorMessage: `RequestId: ${id} Error: Runtime exited (${signal ?? "exit"})`,
      });
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail({
        errorType: "Sandbox.Timedout",
        errorMessage: `RequestId: ${id} Error: Task timed out after ${Timeout} seconds`,
      });
    }, Timeout * 1000);
    child.on("message", listen);
    child.on("exit", exited);
    child.send({
      id,
      event,
      deadline: Date.now() + Timeout * 1000,
      arn: FunctionArn,
      functionName: FunctionName,
      memory: MemorySize,
    });
  });
}

function drop(pool: Pool, environment: Environment): void {
  const index = pool.environments.indexOf(environment);
  if (index >= 0) pool.environments.splice(index, 1);
}

/** Of a name, an ARN, or either with a version or an alias. */
export function functionName(reference: string): string {
  const parts = reference.split(":");
  return parts[0] === "arn" ? (parts[6] ?? "") : (parts[0] ?? "");
}

/** What a function does, from the name that the stack gave it; its calls are counted under this. */
export function stageOf(name: string): string {
  const words = ["intake", "plan", "publish", "summarize", "quick"];
  return words.find((word) => name.toLowerCase().includes(word)) ?? name.replaceAll(".", "-");
}
