import { errorCodes } from "../layers/segments/errors.js";

/** A state of the Amazon States Language, as data. */
export type State = Readonly<Record<string, unknown>>;

/** Faults of Lambda itself: the call has not begun, or can be made again, because every stage can. */
const lambdaFaults = [
  "Lambda.ServiceException",
  "Lambda.AWSLambdaException",
  "Lambda.SdkClientException",
  "Lambda.Unknown",
  "Sandbox.Timedout",
  "Runtime.ExitError",
];

/** More calls at once than the account may have, 10 in new ones: this passes when others have ended, which takes minutes. */
const throttled = ["Lambda.TooManyRequestsException"];
const throttledAttempts = 12;

/** Errors of ours that pass: a function throws them under their code. */
const passing = Object.entries(errorCodes)
  .filter(([, { fault, retryable }]) => fault === "system" && retryable)
  .map(([code]) => code);

/** A call of a function, again when what went wrong passes; its answer is in `Payload`. */
export function invoke(functionArn: string, payload: string | State, attempts = 4): State {
  return {
    Type: "Task",
    Resource: "arn:aws:states:::lambda:invoke",
    Parameters: {
      FunctionName: functionArn,
      ...(typeof payload === "string" ? { "Payload.$": payload } : { Payload: payload }),
    },
    Retry: [retry(throttled, throttledAttempts), retry([...lambdaFaults, ...passing], attempts)],
  };
}

/** With waits of 2, 4, 8 … 60 seconds at most, each a random part of that. Step Functions counts the attempts of each rule by itself. */
export const retry = (errors: readonly string[], attempts: number): State => ({
  ErrorEquals: errors,
  IntervalSeconds: 2,
  MaxAttempts: attempts,
  BackoffRate: 2,
  MaxDelaySeconds: 60,
  JitterStrategy: "FULL",
});

/** Whatever goes wrong is put down as `failure`, and the run goes on there. */
export const caught = (next: string): State[] => [{ ErrorEquals: ["States.ALL"], ResultPath: "$.failure", Next: next }];
