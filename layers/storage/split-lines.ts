/**
 * The lines of a UTF-8 text that comes in pieces, without their "\n". Only "\n" ends a line: Node's readline also ends one at
 * U+2028, which JSON leaves as it is inside of strings. No empty line after the last "\n".
 */
export async function* splitLines(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: false });
  let rest = "";
  for await (const piece of pieces) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}

/** Lines, each with its "\n", as UTF-8 in pieces of about `bytes` bytes or more. */
export async function* joinLines(
  lines: AsyncIterable<string> | Iterable<string>,
  bytes: number,
): AsyncGenerator<Uint8Array> {
  let parts: string[] = [];
  let length = 0;
  for await (const line of lines) {
    parts.push(line, "\n");
    length += line.length + 1;
    if (length >= bytes) {
      yield Buffer.from(parts.join(""));
      parts = [];
      length = 0;
    }
  }
  if (length > 0) yield Buffer.from(parts.join(""));
}
