import type { Command } from "commander";
import { type ExitCode, exitCodes } from "../terminal/exit.js";
import { type Io, jsonLine, printable } from "../terminal/io.js";
import { outOption } from "./options.js";

const help = `
Nothing is taken on trust: each image format is decoded, each execution provider opens the model's graph, each bundle's
SHA-256 is computed, and a file is written where results would go. Exits with 1 when something that is needed fails; that
CUDA is missing is no failure.

Examples:
  clustseg doctor
  clustseg doctor --out /mnt/results --json
`;

/** `clustseg doctor` */
export function addDoctorCommand(program: Command, io: Io, done: (code: ExitCode) => void): void {
  program
    .command("doctor")
    .description("tell what is installed, what works, and why the rest does not")
    .addOption(outOption("where results would go: a folder, or s3://bucket/prefix/", "./masks"))
    .option("--json", "print one JSON document on stdout")
    .addHelpText("after", help)
    .action(async (options: { out: string; json?: true }) => {
      const { examine } = await import("../jobs/examine.js");
      const findings = await examine(options.out, io.cwd);
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

const marks = { ok: "ok ", absent: "-- ", bad: "BAD" } as const;
