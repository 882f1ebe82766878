import type { GetOptions, ObjectInfo, ObjectStore, PutOptions } from "../../layers/pipeline/ports.js";

export type Operation = "PUT" | "GET" | "HEAD" | "LIST" | "DELETE";
export type Role = "uploads" | "staging" | "results";

/** Keys that one page of S3's listing holds. */
const page = 1000;

/** What was asked of stores, as S3 would count it: by stage, role and operation. */
export class RequestCounts {
  /** Whose requests they are now. */
  stage = "";
  readonly #counts = new Map<string, number>();
  readonly #bytes = new Map<string, number>();

  add(role: Role, operation: Operation, bytes = 0): void {
    const name = `${this.stage} ${role} ${operation}`;
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    if (bytes > 0) this.#bytes.set(name, (this.#bytes.get(name) ?? 0) + bytes);
  }

  /** Sum over what is not named. */
  count(of: { readonly stage?: string; readonly role?: Role; readonly operation?: Operation }): number {
    return sum(this.#counts, of);
  }

  bytes(of: { readonly stage?: string; readonly role?: Role; readonly operation?: Operation }): number {
    return sum(this.#bytes, of);
  }
}

function sum(
  of: ReadonlyMap<string, number>,
  { stage, role, operation }: { readonly stage?: string; readonly role?: Role; readonly operation?: Operation },
): number {
  let total = 0;
  for (const [name, value] of of) {
    const [itsStage, itsRole, itsOperation] = name.split(" ");
    const fits = (wanted: string | undefined, its: string | undefined) => wanted === undefined || wanted === its;
    if (fits(stage, itsStage) && fits(role, itsRole) && fits(operation, itsOperation)) total += value;
  }
  return total;
}

/** The same store; what is asked of it is counted. A list of lines counts as one PUT: it is one below 8 MiB. */
export function counted(store: ObjectStore, role: Role, counts: RequestCounts): ObjectStore {
  return {
    uri: store.uri,
    head(key) {
      counts.add(role, "HEAD");
      return store.head(key);
    },
    async get(key, options?: GetOptions) {
      counts.add(role, "GET");
      const got = await store.get(key, options);
      return got;
    },
    lines(key) {
      counts.add(role, "GET");
      return store.lines(key);
    },
    put(key, body, options?: PutOptions) {
      counts.add(role, "PUT", body.length);
      return store.put(key, body, options);
    },
    async putLines(key, lines) {
      let bytes = 0;
      async function* measured() {
        for await (const line of lines) {
          bytes += Buffer.byteLength(line) + 1;
          yield line;
        }
      }
      await store.putLines(key, measured());
      counts.add(role, "PUT", bytes);
    },
    async *list(prefix): AsyncGenerator<ObjectInfo> {
      let seen = 0;
      counts.add(role, "LIST");
      for await (const info of store.list(prefix)) {
        if (seen > 0 && seen % page === 0) counts.add(role, "LIST");
        seen++;
        yield info;
      }
    },
    delete(key) {
      counts.add(role, "DELETE");
      return store.delete(key);
    },
  };
}
