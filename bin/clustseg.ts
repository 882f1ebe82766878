import { runProgram } from "./program.js";
import { exitCodes } from "./terminal/exit.js";

const { argv, stdout, stderr } = process;

/** What a pipe or a terminal says when nobody is at its other end. */
const goneCodes = new Set(["EPIPE", "EIO", "ERR_STREAM_DESTROYED"]);

// Whoever reads our output may stop reading (`| head`): that is no error, but nobody waits for the rest, so a run stops as at
// Ctrl-C. Never by process.exit: the thread that runs the graph cannot be torn down in the middle of it.
const gone = new AbortController();
let failure: NodeJS.ErrnoException | undefined;
for (const stream of [stdout, stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (!goneCodes.has(error.code ?? "")) failure ??= error;
    gone.abort();
  });
}
const write = (stream: NodeJS.WriteStream, line: string) => {
  if (stream.writable) stream.write(`${line}\n`);
};

const code = await runProgram(argv.slice(2), {
  print: (line) => write(stdout, line),
  note: (line) => write(stderr, line),
  stderr,
  cwd: process.cwd(),
  gone: gone.signal,
});
if (failure !== undefined) write(stderr, `clustseg: the output cannot be written (${failure.message})`);
process.exitCode = failure === undefined ? code : exitCodes.failed;
