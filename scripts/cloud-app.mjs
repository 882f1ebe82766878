// What cdk.json's "app" starts: bundles infra/, makes what it deploys when a source has changed, and runs it.
//   npx cdk synth -c environment=prod
import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { forNode, root } from "./esbuild-options.mjs";

const context = JSON.parse(process.env.CDK_CONTEXT_JSON ?? "{}");

if (!existsSync(join(root, "node_modules", "aws-cdk-lib"))) {
  console.error("aws-cdk-lib is not installed. Run `npm ci` (without --omit=dev) first.");
  process.exit(1);
}
const { build } = await import("esbuild");
// A name of its own, so that two synths at once do not read each other's half.
const outfile = join(root, "dist", "cloud", "infra", `app-${process.pid}.mjs`);
try {
  await build({ ...forNode, entryPoints: [join(root, "infra", "app.ts")], outfile, sourcemap: false });
  const { main, wantedAssets } = await import(pathToFileURL(outfile).href);
  // Assets that are named are used as they are.
  const wanted = context.assets === undefined ? wantedAssets(context) : undefined;
  if (wanted === undefined || buildAssets(wanted)) await main();
} finally {
  rmSync(outfile, { force: true });
}

/** Only the bundles that pipelines name are deployed: a function with its layers has room for a few. */
function buildAssets({ models, quick }) {
  // The app says better which one is not there.
  if (!models.every((name) => existsSync(join(root, "models", name, "model.json")))) return true;
  const words = ["--if-stale", "--models", models.join(","), ...(quick ? [] : ["--without-quick"])];
  const { status } = spawnSync(process.execPath, [join(root, "scripts", "build-cloud.mjs"), ...words], {
    cwd: root,
    // cdk reads what the app prints on standard output as its own.
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) process.exitCode = status ?? 1;
  return status === 0;
}
