// What cdk.json's "app" starts: makes what is deployed when a source has changed, bundles infra/ and runs it.
//   npx cdk synth -c environment=prod
import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { forNode, root } from "./esbuild-options.mjs";

const context = JSON.parse(process.env.CDK_CONTEXT_JSON ?? "{}");

// Assets that are named are used as they are.
if (context.assets === undefined) {
  const { status } = spawnSync(process.execPath, [join(root, "scripts", "build-cloud.mjs"), "--if-stale"], {
    cwd: root,
    // cdk reads what the app prints on standard output as its own.
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) process.exit(status ?? 1);
}

if (!existsSync(join(root, "node_modules", "aws-cdk-lib"))) {
  console.error("aws-cdk-lib is not installed. Run `npm ci` (without --omit=dev) first.");
  process.exit(1);
}
const { build } = await import("esbuild");
// A name of its own, so that two synths at once do not read each other's half.
const outfile = join(root, "dist", "cloud", "infra", `app-${process.pid}.mjs`);
try {
  await build({ ...forNode, entryPoints: [join(root, "infra", "app.ts")], outfile, sourcemap: false });
  const { main } = await import(pathToFileURL(outfile).href);
  await main();
} finally {
  rmSync(outfile, { force: true });
}
