/** ONNX graphs by hand: as much of onnx.proto (github.com/onnx/onnx) in protobuf's wire format as the tests' graphs need. */

export const types = { float32: 1, uint8: 2, uint16: 4, int32: 6, int64: 7, bool: 9 } as const;
export type TensorType = keyof typeof types;

export interface TensorInfo {
  readonly name: string;
  readonly type: TensorType;
  /** Names stand for sizes that may differ. */
  readonly shape: readonly (number | string)[];
}

/** A graph that is built operation by operation; what an operation gives is named by it. */
export interface GraphBuilder {
  constant(type: TensorType, values: readonly number[], dims?: readonly number[]): string;
  /** @param attributes whole numbers, or lists of them */
  op(
    kind: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, number | readonly number[]>>,
  ): string;
  /** Makes a value an output of the graph. */
  output(info: TensorInfo, value: string): void;
  /** The model as a file. */
  bytes(): Uint8Array<ArrayBuffer>;
}

const OPSET = 17;

export function buildGraph(inputs: readonly TensorInfo[]): GraphBuilder {
  const nodes: Uint8Array[] = [];
  const constants: Uint8Array[] = [];
  const outputs: TensorInfo[] = [];
  const op: GraphBuilder["op"] = (kind, from, attributes = {}) => {
    const name = `t${nodes.length}`;
    nodes.push(node(kind, from, name, attributes));
    return name;
  };
  return {
    op,
    constant(type, values, dims = [values.length]) {
      const name = `c${constants.length}`;
      constants.push(tensor(name, type, values, dims));
      return name;
    },
    output(info, value) {
      nodes.push(node("Identity", [value], info.name, {}));
      outputs.push(info);
    },
    bytes() {
      const graph = [
        ...nodes.map((one) => bytesField(1, one)),
        textField(2, "graph"),
        ...constants.map((one) => bytesField(5, one)),
        ...inputs.map((info) => bytesField(11, valueInfo(info))),
        ...outputs.map((info) => bytesField(12, valueInfo(info))),
      ];
      const opset = bytesField(8, joined([textField(1, ""), wholeField(2, OPSET)]));
      return joined([wholeField(1, 8), bytesField(7, joined(graph)), opset]);
    },
  };
}

function node(
  kind: string,
  from: readonly string[],
  to: string,
  attributes: Readonly<Record<string, number | readonly number[]>>,
): Uint8Array {
  const given = Object.entries(attributes).map(([name, value]) => {
    const values = typeof value === "number" ? [wholeField(3, value)] : value.map((one) => wholeField(8, one));
    const [int, ints] = [2, 7];
    return bytesField(
      5,
      joined([textField(1, name), ...values, wholeField(20, typeof value === "number" ? int : ints)]),
    );
  });
  const names = [...from.map((name) => textField(1, name)), textField(2, to), textField(3, to)];
  return joined([...names, textField(4, kind), ...given]);
}

function tensor(name: string, type: TensorType, values: readonly number[], dims: readonly number[]): Uint8Array {
  const sizes = dims.map((size) => wholeField(1, size));
  return joined([...sizes, wholeField(2, types[type]), textField(8, name), bytesField(9, rawData(type, values))]);
}

function rawData(type: TensorType, values: readonly number[]): Uint8Array {
  const array = {
    float32: () => Float32Array.from(values),
    uint8: () => Uint8Array.from(values),
    uint16: () => Uint16Array.from(values),
    int32: () => Int32Array.from(values),
    int64: () => BigInt64Array.from(values, BigInt),
    bool: () => Uint8Array.from(values),
  }[type]();
  return new Uint8Array(array.buffer);
}

function valueInfo({ name, type, shape }: TensorInfo): Uint8Array {
  const dims = shape.map((size) => bytesField(1, typeof size === "number" ? wholeField(1, size) : textField(2, size)));
  const tensorType = joined([wholeField(1, types[type]), bytesField(2, joined(dims))]);
  return joined([textField(1, name), bytesField(2, bytesField(1, tensorType))]);
}

function wholeField(field: number, value: number): Uint8Array {
  return joined([varint(BigInt(field << 3)), varint(BigInt.asUintN(64, BigInt(value)))]);
}

function bytesField(field: number, value: Uint8Array): Uint8Array {
  return joined([varint(BigInt((field << 3) | 2)), varint(BigInt(value.length)), value]);
}

function textField(field: number, value: string): Uint8Array {
  return bytesField(field, new TextEncoder().encode(value));
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  do {
    const more = rest > 0x7fn;
    bytes.push(Number(rest & 0x7fn) | (more ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
