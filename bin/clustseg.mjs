#!/usr/bin/env node
// What `clustseg` on the command line starts. In a clone the bundle is made here when a source has changed (about 0.1 s);
// in an installed package there are no scripts and the bundle is already there.
import { existsSync } from "node:fs";

if (existsSync(new URL("../scripts/build.mjs", import.meta.url))) {
  const { ensureBuilt } = await import("../scripts/build.mjs");
  await ensureBuilt().catch((error) => {
    console.error(error.message);
    process.exit(3);
  });
}
process.setSourceMapsEnabled(true);
await import("../dist/clustseg.js");
