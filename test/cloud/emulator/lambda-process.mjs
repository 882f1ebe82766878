// One execution environment of a Lambda function: loads the deployed bundle and runs its handler for one event at a time.
// Started by functions.ts in a process of its own, under the Node line of the runtime where that can be had. Test support.
import { existsSync } from "node:fs";
import { register } from "node:module";
import { pathToFileURL } from "node:url";

const { LAMBDA_TASK_ROOT: root, _HANDLER: handlerName = "", NODE_PATH: nodePath = "" } = process.env;

// Lambda's Node runtimes look in NODE_PATH (layers, and the runtime's own AWS SDK) also for ES modules; Node itself does not.
register(
  `data:text/javascript,${encodeURIComponent(`
    let roots = [];
    export function initialize(data) { roots = data; }
    export async function resolve(specifier, context, next) {
      try {
        return await next(specifier, context);
      } catch (error) {
        if (/^(?:[./]|[a-z]+:)/.test(specifier)) throw error;
        for (const root of roots) {
          try {
            return await next(specifier, { ...context, parentURL: root });
          } catch {}
        }
        throw error;
      }
    }
  `)}`,
  {
    parentURL: import.meta.url,
    data: nodePath
      .split(":")
      .filter((path) => path !== "")
      .map((path) => pathToFileURL(`${path.replace(/\/node_modules$/, "")}/lambda.mjs`).href),
  },
);

const [file = "index", name = "handler"] = handlerName.split(".");
const began = performance.now();
let handler;
try {
  handler = await load();
  process.send({ kind: "ready", ms: performance.now() - began });
} catch (error) {
  console.error(error);
  process.send({ kind: "broken", error: describe(error) });
}

process.on("message", async ({ id, event, deadline, arn, functionName, memory }) => {
  const context = {
    awsRequestId: id,
    functionName,
    functionVersion: "$LATEST",
    invokedFunctionArn: arn,
    memoryLimitInMB: String(memory),
    logGroupName: `/aws/lambda/${functionName}`,
    logStreamName: "emulator",
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
  try {
    const result = await handler(event, context);
    process.send({ kind: "result", id, result: result === undefined ? null : result });
  } catch (error) {
    console.error(error);
    process.send({ kind: "error", id, error: describe(error) });
  }
});
// Whoever started this has gone.
process.on("disconnect", () => process.exit(0));

async function load() {
  const path = ["mjs", "js", "cjs"].map((extension) => `${root}/${file}.${extension}`).find(existsSync);
  const loaded = await import(pathToFileURL(path ?? `${root}/${file}.mjs`).href);
  const found = loaded[name] ?? loaded.default?.[name];
  if (typeof found !== "function") throw new Error(`${path} has no function ${name}`);
  return found;
}

function describe(error) {
  const { name = "Error", message = String(error), stack = "" } = error instanceof Error ? error : {};
  return { errorType: name, errorMessage: message, trace: stack.split("\n") };
}
