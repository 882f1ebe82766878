/**
 * What a shared library for Linux asks of the dynamic linker, read from its bytes: the ELF-64 format, little endian, as in
 * https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html. An image for production has no readelf.
 */
export interface LibraryNeeds {
  /** File names of the libraries that must be there, "libcudart.so.12": DT_NEEDED. */
  readonly needed: readonly string[];
  /** The name it is known by itself: DT_SONAME. */
  readonly soname?: string;
  /** Where it looks first, "$ORIGIN/": DT_RUNPATH, or the older DT_RPATH. */
  readonly runpath: readonly string[];
}

const dynamic = { needed: 1n, stringTable: 5n, stringSize: 10n, soname: 14n, rpath: 15n, runpath: 29n };
const segmentTypes = { load: 1, dynamic: 2 };

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/** @throws Error when the bytes are no 64-bit little-endian ELF file, or end early */
export function readNeeds(bytes: Uint8Array): LibraryNeeds {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isElf = bytes.length >= 64 && view.getUint32(0) === 0x7f454c46;
  if (!isElf || bytes[4] !== 2 || bytes[5] !== 1) throw new Error("not a 64-bit little-endian ELF file");
  const segments = readSegments(view);
  const entries = readDynamic(view, segments);
  const values = (tag: bigint): number[] => entries.filter((entry) => entry.tag === tag).map(({ value }) => value);
  const [table] = values(dynamic.stringTable);
  if (table === undefined) return { needed: [], runpath: [] };
  const start = fileOffset(segments, table);
  const end = Math.min(bytes.length, start + (values(dynamic.stringSize)[0] ?? 0));
  const text = (at: number): string => {
    const from = start + at;
    const to = bytes.indexOf(0, from);
    if (from >= end || to < 0 || to >= end) throw new Error("a name lies outside the string table");
    return new TextDecoder().decode(bytes.subarray(from, to));
  };
  const [soname] = values(dynamic.soname);
  const runpath = [...values(dynamic.runpath), ...values(dynamic.rpath)].slice(0, 1);
  return {
    needed: values(dynamic.needed).map(text),
    ...(soname === undefined ? {} : { soname: text(soname) }),
    runpath: runpath.flatMap((at) => text(at).split(":")),
  };
}

function readSegments(view: DataView): Segment[] {
  const table = whole(view.getBigUint64(32, true));
  const entrySize = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  return Array.from({ length: count }, (_, i) => {
    const at = table + i * entrySize;
    if (at + 56 > view.byteLength) throw new Error("the table of segments ends early");
    return {
      type: view.getUint32(at, true),
      offset: whole(view.getBigUint64(at + 8, true)),
      address: whole(view.getBigUint64(at + 16, true)),
      size: whole(view.getBigUint64(at + 32, true)),
    };
  });
}

/** Entries of 16 bytes, a tag and a value, up to one of tag 0. */
function readDynamic(view: DataView, segments: readonly Segment[]): { tag: bigint; value: number }[] {
  const segment = segments.find(({ type }) => type === segmentTypes.dynamic);
  const entries: { tag: bigint; value: number }[] = [];
  if (segment === undefined) return entries;
  for (let at = segment.offset; at < segment.offset + segment.size; at += 16) {
    if (at + 16 > view.byteLength) throw new Error("the dynamic section ends early");
    const tag = view.getBigUint64(at, true);
    if (tag === 0n) break;
    entries.push({ tag, value: Number(view.getBigUint64(at + 8, true)) });
  }
  return entries;
}

function fileOffset(segments: readonly Segment[], address: number): number {
  const holds = ({ type, address: start, size }: Segment) =>
    type === segmentTypes.load && address >= start && address < start + size;
  const segment = segments.find(holds);
  if (segment === undefined) throw new Error("the string table is in no segment");
  return address - segment.address + segment.offset;
}

function whole(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error("an offset is beyond all bounds");
  return Number(value);
}
