import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // A machine that does other work beside is slow, and that is no failure.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Inference already uses every core: more than two test files at once would only take turns.
    maxWorkers: 2,
    // Modules are loaded once for all files of a worker: no test changes one, and loading took a sixth of the time.
    isolate: false,
  },
});
