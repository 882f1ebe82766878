import { type Command, InvalidArgumentError, Option } from "commander";
import type { CloudOptions } from "../cloud/settings.js";
import type { CommonOptions } from "./options.js";

/** What every command against the cloud has, as commander parses it. */
export interface CloudCommandOptions extends CloudOptions, CommonOptions {
  readonly json?: true;
}

export const cloudGroup = "Commands against the cloud:";

export const stackHelp = `
The stack is found by its name: --stack, else $CLUSTSEG_STACK, else ./clustseg.json ({"stack": "clustseg-prod", "region":
"eu-central-1"}), else clustseg-dev. Credentials and region are those that the AWS SDK finds (AWS_PROFILE, AWS_REGION, …).
`;

export function addCloudOptions(command: Command, json: string): Command {
  return command
    .helpGroup(cloudGroup)
    .addOption(stackOption())
    .option("--region <name>", "the stack's AWS region")
    .option("--json", json);
}

export function stackOption(): Option {
  return new Option(
    "--stack <name>",
    "the stack (default: $CLUSTSEG_STACK, ./clustseg.json, or clustseg-dev)",
  ).argParser((text) => {
    if (/^[A-Za-z][A-Za-z0-9-]{0,127}$/.test(text)) return text;
    throw new InvalidArgumentError("Expected a stack's name: letters, digits and hyphens.");
  });
}
