// How our own TypeScript is bundled for plain Node, by build.mjs and by the benches: what comes from npm stays outside.
import { fileURLToPath } from "node:url";

/** The repository. */
export const root = fileURLToPath(new URL("..", import.meta.url));

/** For esbuild's `build`; entry points and where they go are its caller's. */
export const forNode = {
  absWorkingDir: root,
  bundle: true,
  packages: "external",
  platform: "node",
  format: "esm",
  target: "node20.9",
  sourcemap: "linked",
  sourcesContent: false,
  logLevel: "warning",
};
