/** The bytes of a small shared library: what it needs, and nothing that could run. */
export function elfFile(options: {
  readonly needed?: readonly string[];
  readonly soname?: string;
  readonly runpath?: string;
}): Uint8Array {
  const { needed = [], soname, runpath } = options;
  const text: number[] = [0];
  const add = (name: string): number => {
    const at = text.length;
    text.push(...new TextEncoder().encode(name), 0);
    return at;
  };
  const entries: [number, number][] = needed.map((name) => [1, add(name)]);
  if (soname !== undefined) entries.push([14, add(soname)]);
  if (runpath !== undefined) entries.push([29, add(runpath)]);

  // File header, two program headers, string table, dynamic section; addresses are 0x10000 above offsets.
  const base = 0x10000;
  const textAt = 64 + 2 * 56;
  const dynamicAt = Math.ceil((textAt + text.length) / 8) * 8;
  entries.push([5, base + textAt], [10, text.length], [0, 0]);
  const bytes = new Uint8Array(dynamicAt + entries.length * 16);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 2, true);
  const segment = (index: number, type: number, offset: number, size: number) => {
    const at = 64 + index * 56;
    view.setUint32(at, type, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 16, BigInt(base + offset), true);
    view.setBigUint64(at + 32, BigInt(size), true);
  };
  segment(0, 1, 0, bytes.length);
  segment(1, 2, dynamicAt, entries.length * 16);
  bytes.set(text, textAt);
  for (const [i, [tag, value]] of entries.entries()) {
    view.setBigUint64(dynamicAt + i * 16, BigInt(tag), true);
    view.setBigUint64(dynamicAt + i * 16 + 8, BigInt(value), true);
  }
  return bytes;
}
