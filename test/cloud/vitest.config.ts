import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** By their numbers: the last one looks at what all before it have done. */
class InOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return [...files].sort((a, b) => (a.moduleId < b.moduleId ? -1 : 1));
  }
}

/** `npm run test:cloud`: the stack, deployed to an emulator of AWS on this machine. See README.md. */
export default defineConfig({
  test: {
    include: ["test/cloud/scenarios/*.scenario.ts"],
    // All scenarios share one emulator, which is in this process: they watch its traffic and end its processes.
    isolate: false,
    fileParallelism: false,
    maxWorkers: 1,
    sequence: { sequencer: InOrder },
    testTimeout: 300_000,
    hookTimeout: 600_000,
    teardownTimeout: 20_000,
  },
});
