import { asClustsegError, type ClustsegError, type ErrorCode } from "../../layers/segments/errors.js";
import { type Io, jsonLine, printable } from "./io.js";

/** How the program ends; --help says the same. */
export const exitCodes = {
  /** Every image has its masks. */
  done: 0,
  /** It came to its end, but images were rejected, or a check found something wrong. */
  rejected: 1,
  /** The command cannot be carried out as it was given. */
  usage: 2,
  /** It did not come to its end: a fault of the machine, a damaged model, too many rejected images, stopped by a signal. */
  failed: 3,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** What another command line would mend. */
const usageCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "USAGE",
  "CONFIG_INVALID",
  "PARAMETER_INVALID",
  "FORMAT_UNKNOWN",
  "FORMAT_UNSUITABLE",
  "TASK_UNSUPPORTED",
  "SOURCE_NOT_FOUND",
  "SOURCE_EMPTY",
  "SOURCE_LIST_INVALID",
  "RESULT_NOT_FOUND",
  "RESULTS_MIXED",
  "STORE_URI_INVALID",
  "STORE_NOT_FOUND",
  "MODEL_NOT_FOUND",
  "RUN_NOT_FOUND",
  "STACK_NOT_FOUND",
]);

export function exitCodeOf(error: unknown): ExitCode {
  return usageCodes.has(asClustsegError(error).code) ? exitCodes.usage : exitCodes.failed;
}

/** What happened, to what [CODE], then what to do next. The stack, and the causes' stacks, only with `debug`. */
export function errorText(error: unknown, debug: boolean): string {
  const { message, code, hint, stack, cause } = asClustsegError(error);
  const lines = [`clustseg: ${printable(message.replace(/\.$/, ""))} [${code}]`, `  ${printable(hint)}`];
  if (debug && stack !== undefined) lines.push(stack);
  for (let inner = cause; debug && inner instanceof Error; inner = inner.cause) lines.push(`caused by ${inner.stack}`);
  return lines.join("\n");
}

/** Tell of an error: for people on stderr, and with --json also as a line of the result. */
export function reportError(
  io: Io,
  error: unknown,
  options: { readonly json: boolean; readonly debug: boolean },
): void {
  if (options.json) io.print(jsonLine(errorEvent(asClustsegError(error))));
  io.note(errorText(error, options.debug));
}

function errorEvent(error: ClustsegError): object {
  return { type: "error", ...error.toJSON() };
}
