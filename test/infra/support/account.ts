import { type Call, type Decision, decide, type Policies, type Statement } from "./policy.js";
import { account, arnOf, physicalName, resolve } from "./resolve.js";
import type { Resource, Template } from "./synth.js";

/** Whose resource a policy is: the property that names it, by the policy's type. */
const policyTypes: Readonly<Record<string, string>> = {
  "AWS::S3::BucketPolicy": "Bucket",
  "AWS::SQS::QueuePolicy": "Queues",
  "AWS::SNS::TopicPolicy": "Topics",
};

/** An account in which a template is deployed, as far as permissions go. */
export class Account {
  readonly #template: Template;
  /** Resolving a template is slow, and thousands of calls are asked of one. */
  readonly #known = new Map<string, unknown>();

  constructor(template: Template) {
    this.#template = template;
  }

  /** Logical ids of all roles. */
  get roles(): readonly string[] {
    return this.#entries("AWS::IAM::Role").map(([id]) => id);
  }

  /** The ARN of the one resource whose logical id begins so. */
  arn(idBegins: string): string {
    return arnOf(this.#template, this.#id(idBegins));
  }

  name(idBegins: string): string {
    const id = this.#id(idBegins);
    return physicalName(id, this.#template.Resources[id] as Resource);
  }

  /** All statements that a role has. @throws for a managed policy, which is not in the template */
  identityOf(roleId: string): readonly Statement[] {
    return this.#once(`identity of ${roleId}`, () => this.#readIdentity(roleId));
  }

  #once<T>(name: string, read: () => T): T {
    if (!this.#known.has(name)) this.#known.set(name, read());
    return this.#known.get(name) as T;
  }

  #readIdentity(roleId: string): readonly Statement[] {
    const role = this.#template.Resources[roleId] as Resource;
    if (role.Properties.ManagedPolicyArns !== undefined) throw new Error(`${roleId} has managed policies`);
    const attached = this.#entries("AWS::IAM::Policy").filter(([, { Properties }]) =>
      (Properties.Roles ?? []).some((one: { Ref?: string }) => one.Ref === roleId),
    );
    const documents = [...attached.map(([, one]) => one.Properties), ...(role.Properties.Policies ?? [])];
    return documents.flatMap(({ PolicyDocument }) => this.#statements(PolicyDocument));
  }

  /** Who may take a role. */
  trustOf(roleId: string): readonly Statement[] {
    const trust = this.#statements((this.#template.Resources[roleId] as Resource).Properties.AssumeRolePolicyDocument);
    // A trust policy is about its role and names no resource.
    return trust.map((statement) => ({ ...statement, Resource: "*" }));
  }

  /** @param viaEndpoint through the VPC's gateway to S3, as all calls of the container go */
  decide(call: Call, { viaEndpoint = false } = {}): Decision {
    const policies: Policies = {
      identity: this.#identity(call),
      resource: this.#resourcePolicies(call.resource),
      ...(viaEndpoint ? { endpoint: this.#once("endpoint", () => this.#endpoint()) } : {}),
    };
    // Every call comes over some connection; ours come over TLS unless a case says otherwise.
    const context = { "aws:SecureTransport": "true", "s3:TlsVersion": "1.3", ...call.context };
    return decide({ ...call, context }, policies);
  }

  #identity({ principal, resource }: Call): readonly Statement[] {
    if (!principal.startsWith("arn:")) return [];
    if (principal.startsWith(`arn:aws:iam::${account}:`)) return this.identityOf(this.#roleOf(principal));
    // Of another account: may do all it likes with what is there, and here what a resource's policy allows.
    const isTheirs = Object.values(this.#arns()).every((arn) => resource !== arn && !resource.startsWith(`${arn}/`));
    return isTheirs ? [{ Effect: "Allow", Action: "*", Resource: "*" }] : [];
  }

  #arns(): Readonly<Record<string, string>> {
    const types = ["AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::SNS::Topic"];
    const ids = types.flatMap((type) => this.#entries(type).map(([id]) => id));
    return Object.fromEntries(ids.map((id) => [id, arnOf(this.#template, id)]));
  }

  #roleOf(arn: string): string {
    const found = this.roles.find((id) => arnOf(this.#template, id) === arn);
    if (found === undefined) throw new Error(`no role ${arn}`);
    return found;
  }

  #resourcePolicies(resource: string): readonly Statement[] {
    return this.#once("resource policies", () => this.#readResourcePolicies())
      .filter(({ arn }) => resource === arn || resource.startsWith(`${arn}/`))
      .flatMap(({ statements }) => statements);
  }

  #readResourcePolicies(): readonly { readonly arn: string | undefined; readonly statements: readonly Statement[] }[] {
    return Object.entries(policyTypes).flatMap(([type, property]) =>
      this.#entries(type).flatMap(([, { Properties }]) =>
        [Properties[property]].flat().map((one: { Ref?: string }) => ({
          arn: this.#arnOfReference(one),
          statements: this.#statements(Properties.PolicyDocument),
        })),
      ),
    );
  }

  /** A queue's policy names it by URL, a topic's by ARN, a bucket's by name. */
  #arnOfReference({ Ref }: { Ref?: string }): string | undefined {
    return Ref === undefined ? undefined : arnOf(this.#template, Ref);
  }

  #endpoint(): readonly Statement[] {
    const gateways = this.#entries("AWS::EC2::VPCEndpoint").filter(
      ([, { Properties }]) => Properties.VpcEndpointType === "Gateway",
    );
    if (gateways.length !== 1) throw new Error(`${gateways.length} gateway endpoints`);
    return this.#statements(gateways[0]?.[1].Properties.PolicyDocument);
  }

  #statements(document: unknown): readonly Statement[] {
    return (resolve(this.#template, document) as { Statement: readonly Statement[] }).Statement;
  }

  #entries(type: string): readonly (readonly [string, Resource])[] {
    return Object.entries(this.#template.Resources).filter(([, { Type }]) => Type === type);
  }

  #id(begins: string): string {
    const found = Object.keys(this.#template.Resources).filter((id) => new RegExp(`^${begins}[0-9A-F]{8}$`).test(id));
    if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} resources are called ${begins}`);
    return found[0];
  }
}
