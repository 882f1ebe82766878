import { runProgram } from "./program.js";
import { exitCodes } from "./terminal/exit.js";

const { argv, stdout, stderr } = process;

// Whoever reads our output may stop reading (`| head`): that is no error, and nothing is left to be told.
for (const stream of [stdout, stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(exitCodes.failed);
  });
}

process.exitCode = await runProgram(argv.slice(2), {
  print: (line) => void stdout.write(`${line}\n`),
  note: (line) => void stderr.write(`${line}\n`),
  stderr,
  cwd: process.cwd(),
});
