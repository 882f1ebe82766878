import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Call, decide, isLike, type Statement } from "./support/policy.js";

const role = "arn:aws:iam::111122223333:role/reader";
const call = (over: Partial<Call> = {}): Call => ({
  principal: role,
  action: "s3:GetObject",
  resource: "arn:aws:s3:::photos/a/b.jpg",
  ...over,
});
const allow = (over: Partial<Statement> = {}): Statement => ({
  Effect: "Allow",
  Action: "s3:GetObject",
  Resource: "arn:aws:s3:::photos/*",
  ...over,
});
const deny = (over: Partial<Statement> = {}): Statement => ({ ...allow(over), Effect: "Deny" });
const judge = (of: Call, identity: Statement[], resource: Statement[] = [], endpoint?: Statement[]) =>
  decide(of, { identity, resource, ...(endpoint === undefined ? {} : { endpoint }) }).allowed;

describe("the evaluator of policies", () => {
  test("allows nothing that no statement allows", () => {
    expect(judge(call(), [])).toBe(false);
    expect(judge(call({ action: "s3:PutObject" }), [allow()])).toBe(false);
    expect(judge(call({ resource: "arn:aws:s3:::photo/a" }), [allow()])).toBe(false);
  });

  test("allows what the role's own policy or the resource's policy allows", () => {
    expect(judge(call(), [allow()])).toBe(true);
    expect(judge(call(), [], [allow({ Principal: { AWS: role } })])).toBe(true);
    expect(judge(call(), [], [allow({ Principal: { AWS: "arn:aws:iam::111122223333:root" } })])).toBe(true);
    expect(judge(call(), [], [allow({ Principal: { AWS: "arn:aws:iam::444455556666:root" } })])).toBe(false);
    expect(judge(call(), [], [allow({ Principal: { Service: "events.amazonaws.com" } })])).toBe(false);
  });

  test("puts any deny before any allow", () => {
    expect(judge(call(), [allow(), deny()])).toBe(false);
    expect(judge(call(), [allow()], [deny({ Principal: "*" })])).toBe(false);
    expect(judge(call(), [allow()], [deny({ Principal: { AWS: "arn:aws:iam::111122223333:role/other" } })])).toBe(true);
  });

  test("takes an endpoint's policy as a wall that grants nothing", () => {
    const through = [allow({ Principal: "*" })];
    expect(judge(call(), [allow()], [], through)).toBe(true);
    expect(judge(call(), [], [], through)).toBe(false);
    expect(judge(call({ resource: "arn:aws:s3:::thief/a" }), [allow({ Resource: "*" })], [], through)).toBe(false);
  });

  test("compares actions without and resources with regard to case", () => {
    expect(judge(call({ action: "S3:getobject" }), [allow()])).toBe(true);
    expect(judge(call({ resource: "arn:aws:s3:::Photos/a" }), [allow()])).toBe(false);
  });

  test.each<[string, NonNullable<Statement["Condition"]>, Record<string, string>, boolean]>([
    ["Bool", { Bool: { "aws:SecureTransport": "false" } }, { "aws:securetransport": "false" }, true],
    ["Bool, other value", { Bool: { "aws:SecureTransport": "false" } }, { "aws:SecureTransport": "true" }, false],
    ["a key that the call lacks", { StringEquals: { "events:source": "clustseg" } }, {}, false],
    ["…IfExists without the key", { StringEqualsIfExists: { "events:source": "clustseg" } }, {}, true],
    [
      "…IfExists with another value",
      { StringEqualsIfExists: { "events:source": "a" } },
      { "events:source": "b" },
      false,
    ],
    ["one of several values", { StringEquals: { k: ["a", "b"] } }, { k: "b" }, true],
    ["all of several keys", { StringEquals: { k: "a", l: "a" } }, { k: "a", l: "b" }, false],
    ["all of several operators", { StringEquals: { k: "a" }, Bool: { b: "true" } }, { k: "a", b: "false" }, false],
    ["StringLike", { StringLike: { k: "runs/*" } }, { k: "runs/1/x" }, true],
    ["ArnEquals", { ArnEquals: { k: "arn:aws:sns:*:1:t" } }, { k: "arn:aws:sns:eu:1:t" }, true],
    ["NumericLessThan", { NumericLessThan: { "s3:TlsVersion": "1.2" } }, { "s3:TlsVersion": "1.1" }, true],
    ["NumericLessThan, equal", { NumericLessThan: { "s3:TlsVersion": "1.2" } }, { "s3:TlsVersion": "1.2" }, false],
  ])("understands the condition: %s", (_, Condition, context, expected) => {
    expect(judge(call({ context }), [allow({ Condition })])).toBe(expected);
  });

  test("refuses to judge what it does not know", () => {
    expect(() => judge(call(), [allow({ Condition: { IpAddress: { "aws:SourceIp": "10.0.0.0/8" } } })])).toThrow(
      "IpAddress",
    );
    expect(() => judge(call(), [{ Effect: "Allow", NotAction: "s3:*", Resource: "*" }])).toThrow("NotAction");
    expect(() => judge(call(), [], [allow({ NotPrincipal: "*" })])).toThrow("NotPrincipal");
    expect(() => judge(call(), [], [allow({ Principal: { Federated: "x" } })])).toThrow("Federated");
  });
});

describe("patterns of policies", () => {
  test.each([
    ["arn:aws:s3:::photos/a/b.jpg", "arn:aws:s3:::photos/*", true],
    ["arn:aws:s3:::photosx", "arn:aws:s3:::photos", false],
    ["a.b", "a?b", true],
    ["a(b", "a(b", true],
    ["line\nbreak", "line*", true],
    ["x", "", false],
  ])("%j against %j: %s", (text, pattern, expected) => {
    expect(isLike(text, pattern)).toBe(expected);
  });

  test("text without signs is like itself and nothing else", () => {
    const plain = fc.string().filter((text) => !/[*?]/.test(text));
    fc.assert(
      fc.property(plain, plain, (a, b) => {
        expect(isLike(a, a)).toBe(true);
        expect(isLike(b, a)).toBe(a === b);
        expect(isLike(`${a}${b}`, `${a}*`)).toBe(true);
      }),
    );
  });
});
