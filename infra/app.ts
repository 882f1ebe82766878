import path from "node:path";
import { App, Aspects } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import { assetsIn } from "./assets.js";
import { ConfigError, type Context, contextOf, readConfig } from "./read-config.js";
import { resolveRecipes } from "./recipes.js";
import { ClustsegStack } from "./stack.js";

/**
 * What `cdk` runs (through scripts/cloud-app.mjs). Context: `environment` (dev, prod), `config` (a JSON file that changes props),
 * `assets` (in place of dist/cloud), `nag` (true: cdk-nag's AwsSolutions checks as well).
 */
export async function main(): Promise<void> {
  const app = new App({ analyticsReporting: false });
  const context = (name: string): string | undefined => app.node.tryGetContext(name);
  try {
    const config = readConfig(contextOf(app.node));
    const recipes = await resolveRecipes(config.pipelines, path.resolve("models"));
    const assets = assetsIn(path.resolve(context("assets") ?? "dist/cloud"));
    new ClustsegStack(app, config.stackName, { config, recipes, assets });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // What to write instead, without a stack trace of ours above it.
    console.error(`\n${error.message}\n`);
    process.exitCode = 1;
    return;
  }
  if (String(context("nag")) === "true") Aspects.of(app).add(new AwsSolutionsChecks({ verbose: true }));
  app.synth();
}

/**
 * What the configuration wants of dist/cloud before there is a stack: the bundles that its pipelines name, in the order of their
 * names, and whether a function holds them, too. undefined: the configuration is wrong, which `main` tells.
 */
export function wantedAssets(
  context: Context,
): { readonly models: readonly string[]; readonly quick: boolean } | undefined {
  try {
    const { pipelines, quick } = readConfig(context);
    return { models: [...new Set(pipelines.map(({ model }) => model))].sort(), quick: quick !== "off" };
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}
