import { type Command, Option } from "commander";
import type { Finding } from "../jobs/examine.js";
import { type ExitCode, exitCodes } from "../terminal/exit.js";
import { type Io, jsonLine, printable } from "../terminal/io.js";
import { stackHelp, stackOption } from "./cloud-options.js";
import { outOption } from "./options.js";

const help = `
Nothing is taken on trust: each image format is decoded, each execution provider opens the model's graph, each bundle's
SHA-256 is computed, and a file is written where results would go. Exits with 1 when something that is needed fails; that
CUDA is missing is no failure.

--cloud looks at a deployed stack instead: who you are, the stack and its buckets, pipelines and their models against those
here, the container, machines and their quotas, what waits in the dead-letter queue, and the last failure in words. With
--smoke an example image is uploaded and its result waited for: minutes if a machine has to start. It is removed afterwards.
${stackHelp}
Examples:
  clustseg doctor
  clustseg doctor --out /mnt/results --json
  clustseg doctor --cloud --smoke --stack clustseg-prod
`;

/** `clustseg doctor` */
export function addDoctorCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  program
    .command("doctor")
    .description("tell what is installed, what works, and why the rest does not")
    .addOption(outOption("where results would go: a folder, or s3://bucket/prefix/", "./masks"))
    .option("--cloud", "look at the stack in the cloud instead")
    .addOption(new Option("--smoke", "with --cloud: segment an example image there").implies({ cloud: true }))
    .addOption(stackOption())
    .option("--region <name>", "with --cloud: the stack's AWS region")
    .option("--json", "print one JSON document on stdout")
    .addHelpText("after", help)
    .action(async (options: DoctorOptions) => {
      const findings = await find(io, options);
      if (options.json) io.print(jsonLine({ ok: findings.every(({ state }) => state !== "bad"), findings }));
      else {
        for (const { state, what, text, hint } of findings) {
          io.print(`${marks[state]} ${what.padEnd(20)} ${printable(text)}`);
          if (hint !== undefined) io.print(`${" ".repeat(25)}${printable(hint)}`);
        }
      }
      done(findings.some(({ state }) => state === "bad") ? exitCodes.rejected : exitCodes.done);
    });
}

interface DoctorOptions {
  readonly out: string;
  readonly cloud?: true;
  readonly smoke?: true;
  readonly stack?: string;
  readonly region?: string;
  readonly json?: true;
}

async function find(io: Io, options: DoctorOptions): Promise<readonly Finding[]> {
  if (options.cloud) {
    const { examineCloud } = await import("../jobs/examine-cloud.js");
    return examineCloud(io, options);
  }
  const { examine } = await import("../jobs/examine.js");
  return examine(options.out, io.cwd);
}

const marks = { ok: "ok ", absent: "-- ", bad: "BAD" } as const;
