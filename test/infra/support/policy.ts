/**
 * A small evaluator of IAM policies: the documented rules for one account
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html), for the elements that our
 * templates use. What it does not know it refuses to judge, by throwing: a wrong "allowed" would be worse than no answer.
 * Left out, because the stack has none: permission boundaries, session policies, organisations, other accounts' roles.
 */

export interface Statement {
  readonly Effect: "Allow" | "Deny";
  readonly Action?: string | readonly string[];
  readonly NotAction?: unknown;
  readonly Resource?: string | readonly string[];
  readonly NotResource?: unknown;
  readonly Principal?: "*" | Readonly<Record<string, string | readonly string[]>>;
  readonly NotPrincipal?: unknown;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | boolean | readonly string[]>>>>;
  readonly Sid?: string;
}

/** One call, as IAM sees it. */
export interface Call {
  /** ARN of a role of the account, a service ("events.amazonaws.com"), or "anonymous". */
  readonly principal: string;
  readonly action: string;
  readonly resource: string;
  /** Condition keys and their values. Keys are compared without regard to case. */
  readonly context?: Readonly<Record<string, string>>;
}

export interface Policies {
  /** Of the role that calls. */
  readonly identity: readonly Statement[];
  /** Of the resource that is called. */
  readonly resource: readonly Statement[];
  /** Of the VPC endpoint that the call goes through, if it goes through one: a wall, and no grant. */
  readonly endpoint?: readonly Statement[];
}

export interface Decision {
  readonly allowed: boolean;
  readonly why: string;
}

/** Deny before allow, and nothing is allowed that no statement allows. */
export function decide(call: Call, policies: Policies): Decision {
  const { identity, resource, endpoint } = policies;
  const onResource = resource.filter((statement) => names(statement, call));
  const throughEndpoint = endpoint?.filter((statement) => names(statement, call));
  const matching = (statements: readonly Statement[], effect: string) =>
    statements.find((statement) => statement.Effect === effect && matches(statement, call));

  const denied = matching([...identity, ...onResource, ...(throughEndpoint ?? [])], "Deny");
  if (denied !== undefined) return { allowed: false, why: `denied by ${JSON.stringify(denied)}` };
  if (throughEndpoint !== undefined && matching(throughEndpoint, "Allow") === undefined) {
    return { allowed: false, why: "the VPC endpoint's policy does not allow it" };
  }
  const allowed = matching(identity, "Allow") ?? matching(onResource, "Allow");
  if (allowed !== undefined) return { allowed: true, why: `allowed by ${JSON.stringify(allowed)}` };
  return { allowed: false, why: "no statement allows it" };
}

/** Does a statement of a resource's policy mean this principal? */
function names({ Principal, NotPrincipal }: Statement, { principal }: Call): boolean {
  if (NotPrincipal !== undefined) throw new Error("NotPrincipal is not known here");
  if (Principal === undefined) throw new Error("a resource's policy names principals");
  if (Principal === "*") return true;
  return Object.entries(Principal).some(([kind, given]) => {
    const list = listOf(given);
    if (kind === "Service") return list.includes(principal);
    if (kind !== "AWS") throw new Error(`principals of the kind ${kind} are not known here`);
    const account = /^arn:aws:iam::(\d+):/.exec(principal)?.[1];
    return list.some((one) => one === "*" || one === principal || one === `arn:aws:iam::${account}:root`);
  });
}

function matches(statement: Statement, call: Call): boolean {
  const { Action, NotAction, Resource, NotResource, Condition = {} } = statement;
  if (NotAction !== undefined || NotResource !== undefined)
    throw new Error("NotAction and NotResource are not known here");
  if (Action === undefined || Resource === undefined) throw new Error("a statement has actions and resources");
  const hasAction = listOf(Action).some((one) => isLike(call.action.toLowerCase(), one.toLowerCase()));
  const hasResource = listOf(Resource).some((one) => isLike(call.resource, one));
  return (
    hasAction && hasResource && Object.entries(Condition).every(([operator, tests]) => holds(operator, tests, call))
  );
}

/** All keys of an operator must hold; of a key's values one. A key that the call does not have does not hold. */
function holds(operator: string, tests: Readonly<Record<string, unknown>>, { context = {} }: Call): boolean {
  const known = new Map(Object.entries(context).map(([key, value]) => [key.toLowerCase(), value]));
  const ifExists = operator.endsWith("IfExists");
  const compare = comparisons[ifExists ? operator.slice(0, -"IfExists".length) : operator];
  if (compare === undefined) throw new Error(`the condition ${operator} is not known here`);
  return Object.entries(tests).every(([key, wanted]) => {
    const value = known.get(key.toLowerCase());
    if (value === undefined) return ifExists;
    return listOf(wanted as string | readonly string[]).some((one) => compare(value, String(one)));
  });
}

const comparisons: Readonly<Record<string, (value: string, wanted: string) => boolean>> = {
  StringEquals: (value, wanted) => value === wanted,
  StringLike: isLike,
  ArnEquals: isLike,
  ArnLike: isLike,
  Bool: (value, wanted) => value.toLowerCase() === wanted.toLowerCase(),
  NumericLessThan: (value, wanted) => Number(value) < Number(wanted),
};

/** IAM's patterns: "*" is any text, also with slashes and colons; "?" is one character. */
export function isLike(text: string, pattern: string): boolean {
  const source = pattern.replaceAll(/[\\^$.*+?()[\]{}|]/g, (one) =>
    one === "*" ? "[^]*" : one === "?" ? "[^]" : `\\${one}`,
  );
  return new RegExp(`^${source}$`, "u").test(text);
}

function listOf<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}
