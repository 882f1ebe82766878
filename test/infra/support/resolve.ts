import type { Resource, Template } from "./synth.js";

/** The account that templates are looked at as if deployed to. */
export const account = "111122223333";
export const region = "eu-west-1";

/** What is asked of a resource that is not in the template is a mistake of the template, and a made-up answer would hide it. */
export class Unresolved extends Error {}

const at = (service: string, resource: string) => `arn:aws:${service}:${region}:${account}:${resource}`;
const global = (service: string, resource: string) => `arn:aws:${service}::${account}:${resource}`;

/** ARNs by type, from the physical name. */
const arns: Readonly<Record<string, (name: string) => string>> = {
  "AWS::S3::Bucket": (name) => `arn:aws:s3:::${name}`,
  "AWS::SQS::Queue": (name) => at("sqs", name),
  "AWS::SNS::Topic": (name) => at("sns", name),
  "AWS::Lambda::Function": (name) => at("lambda", `function:${name}`),
  "AWS::Logs::LogGroup": (name) => `${at("logs", `log-group:${name}`)}:*`,
  "AWS::IAM::Role": (name) => global("iam", `role/${name}`),
  "AWS::IAM::InstanceProfile": (name) => global("iam", `instance-profile/${name}`),
  "AWS::StepFunctions::StateMachine": (name) => at("states", `stateMachine:${name}`),
  "AWS::Batch::JobQueue": (name) => at("batch", `job-queue/${name}`),
  "AWS::Batch::ComputeEnvironment": (name) => at("batch", `compute-environment/${name}`),
  "AWS::Batch::SchedulingPolicy": (name) => at("batch", `scheduling-policy/${name}`),
  "AWS::Batch::JobDefinition": (name) => at("batch", `job-definition/${name}:1`),
  "AWS::Events::Rule": (name) => at("events", `rule/${name}`),
  "AWS::CloudWatch::Alarm": (name) => at("cloudwatch", `alarm:${name}`),
};

/** Types whose Ref is the ARN. */
const refIsArn = new Set([
  "AWS::SNS::Topic",
  "AWS::StepFunctions::StateMachine",
  "AWS::Batch::JobQueue",
  "AWS::Batch::ComputeEnvironment",
  "AWS::Batch::JobDefinition",
]);

const pseudo: Readonly<Record<string, string>> = {
  "AWS::Partition": "aws",
  "AWS::AccountId": account,
  "AWS::Region": region,
  "AWS::URLSuffix": "amazonaws.com",
  "AWS::StackName": "clustseg",
};

/** The name that a resource has: its own, or its logical id, in small letters where AWS wants them. */
export function physicalName(id: string, { Type, Properties }: Resource): string {
  const names = ["BucketName", "LogGroupName", "JobDefinitionName", "DashboardName", "FunctionName", "RoleName"];
  const given = names.map((name) => Properties?.[name]).find((name) => typeof name === "string");
  return given ?? (Type === "AWS::S3::Bucket" ? id.toLowerCase() : id);
}

export function arnOf(template: Template, id: string): string {
  const resource = template.Resources[id];
  const make = resource && arns[resource.Type];
  if (resource === undefined || make === undefined)
    throw new Unresolved(`no ARN is known of ${id} (${resource?.Type})`);
  return make(physicalName(id, resource));
}

function reference(template: Template, id: string): unknown {
  if (id in pseudo) return pseudo[id];
  const resource = template.Resources[id];
  if (resource === undefined) throw new Unresolved(`Ref to ${id}, which is not there`);
  if (refIsArn.has(resource.Type)) return arnOf(template, id);
  if (resource.Type === "AWS::SQS::Queue") return `https://sqs.${region}.amazonaws.com/${account}/${id}`;
  return physicalName(id, resource);
}

function attribute(template: Template, id: string, name: string): unknown {
  if (/Arn$/.test(name)) return arnOf(template, id);
  const resource = template.Resources[id];
  if (resource === undefined) throw new Unresolved(`GetAtt of ${id}, which is not there`);
  if (name === "Name" || name === "QueueName" || name === "TopicName") return physicalName(id, resource);
  return `${id}.${name}`;
}

/** A value of a template with its intrinsic functions done, as CloudFormation would in the account above. */
export function resolve(template: Template, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => resolve(template, one));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  const [first] = entries;
  if (entries.length !== 1 || first === undefined) {
    return Object.fromEntries(entries.map(([name, one]) => [name, resolve(template, one)]));
  }
  const [name, given] = first;
  switch (name) {
    case "Ref":
      return reference(template, given as string);
    case "Fn::GetAtt":
      return attribute(template, (given as string[])[0] as string, (given as string[])[1] as string);
    case "Fn::Join":
      return (resolve(template, (given as unknown[])[1]) as unknown[]).join((given as string[])[0]);
    case "Fn::Split":
      return String(resolve(template, (given as unknown[])[1])).split((given as string[])[0] as string);
    case "Fn::Select":
      return (resolve(template, (given as unknown[])[1]) as unknown[])[Number((given as unknown[])[0])];
    case "Fn::GetAZs":
      return ["a", "b", "c"].map((zone) => `${region}${zone}`);
    case "Fn::Sub":
      return String(given).replaceAll(/\$\{([^}]+)\}/g, (_, id: string) => String(reference(template, id)));
    default:
      if (name.startsWith("Fn::")) throw new Unresolved(`${name} is not known here`);
      return { [name]: resolve(template, given) };
  }
}
