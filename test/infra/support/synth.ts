import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { App } from "aws-cdk-lib";
import { assetsIn } from "../../../infra/assets.js";
import { parseConfig } from "../../../infra/read-config.js";
import { resolveRecipes } from "../../../infra/recipes.js";
import { ClustsegStack } from "../../../infra/stack.js";

export const models = fileURLToPath(new URL("../../../models", import.meta.url));

export interface Resource {
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: templates are whatever CloudFormation takes; tests look into them freely.
  readonly Properties: any;
  readonly Metadata?: Record<string, unknown>;
  readonly DeletionPolicy?: string;
  readonly DependsOn?: readonly string[];
}

export interface Template {
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs: Readonly<Record<string, { readonly Value: unknown }>>;
}

/** Folders laid out as `npm run build:cloud` does, with next to nothing in them: synth only packs and hashes. */
export function standInAssets(): string {
  const root = mkdtempSync(path.join(tmpdir(), "clustseg-assets-"));
  const files = {
    ...Object.fromEntries(
      ["intake", "plan", "publish", "summarize", "quick"].map((name) => [`functions/${name}/index.mjs`, "export {};"]),
    ),
    "layers/native/nodejs/package.json": "{}",
    "layers/models/models/readme": "bundles",
    "segment/Dockerfile": "FROM scratch",
  };
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return root;
}

let assets: string | undefined;
process.env["CDK_VALIDATION"] = "false";

/** The stack of a configuration, not yet synthesised. */
export async function makeStack(given: object = {}): Promise<{ app: App; stack: ClustsegStack }> {
  assets ??= standInAssets();
  const config = parseConfig(given);
  const app = new App({
    analyticsReporting: false,
    outdir: mkdtempSync(path.join(tmpdir(), "clustseg-cdk-")),
    // As in cdk.json: one statement for what would be several; what validation finds is an error.
    context: {
      "@aws-cdk/aws-iam:minimizePolicies": true,
      "@aws-cdk/core:target-partitions": ["aws"],
      "@aws-cdk/core:validateAgainstDefaultRules": true,
    },
  });
  const recipes = await resolveRecipes(config.pipelines, models);
  const stack = new ClustsegStack(app, config.stackName, { config, recipes, assets: assetsIn(assets) });
  return { app, stack };
}

/**
 * The template of a configuration.
 * @param validate have the CDK check each property against CloudFormation's schemas, which takes four fifths of the time: one
 *   test asks for it
 */
export async function synth(given: object = {}, { validate = false } = {}): Promise<Template> {
  const { app, stack } = await makeStack(given);
  if (!validate) return app.synth().getStackByName(stack.stackName).template as Template;
  delete process.env["CDK_VALIDATION"];
  try {
    return app.synth().getStackByName(stack.stackName).template as Template;
  } finally {
    process.env["CDK_VALIDATION"] = "false";
  }
}

/** Resources of a type, by their logical ids. */
export function ofType(template: Template, type: string): Readonly<Record<string, Resource>> {
  return Object.fromEntries(Object.entries(template.Resources).filter(([, { Type }]) => Type === type));
}

/** The one resource of a type whose logical id matches. */
export function one(template: Template, type: string, id: RegExp = /./): Resource {
  const found = Object.entries(ofType(template, type)).filter(([logicalId]) => id.test(logicalId));
  if (found.length !== 1 || found[0] === undefined) {
    throw new Error(`${found.length} resources of ${type} match ${id}: ${found.map(([name]) => name).join(", ")}`);
  }
  return found[0][1];
}
