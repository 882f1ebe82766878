import type { Submit } from "../../layers/pipeline/cloud-contracts.js";
import { inventoryItems, parseInventory } from "../../layers/pipeline/inventory.js";
import { listedItems } from "../../layers/pipeline/key-list.js";
import type { ObjectStore } from "../../layers/pipeline/ports.js";
import type { IntakeSource } from "../../layers/pipeline/selection.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { gunzipLines } from "../../layers/storage/gzip-lines.js";

/** A store whose objects can be read in pieces, too. */
export interface StreamingStore extends ObjectStore {
  pieces(key: string): AsyncIterable<Uint8Array>;
}

export interface SourcePorts {
  readonly uploads: ObjectStore;
  readonly staging: ObjectStore;
  /** The store at an s3:// address that ends in "/". */
  readonly open: (uri: string) => StreamingStore;
}

/** An inventory's manifest names a file per some million objects. */
const maxManifestBytes = 16 * 1024 ** 2;

/**
 * What a submit selects, streamed.
 * @throws ClustsegError SOURCE_LIST_INVALID, SOURCE_NOT_FOUND, STORE_*; while it is read, too
 */
export async function submittedSource(submit: Submit, ports: SourcePorts): Promise<IntakeSource> {
  const { uploads } = ports;
  if (submit.list !== undefined) {
    const { store, key } = await locate(submit.list, ports);
    return { kind: "lines", identity: { list: submit.list }, lines: listedItems(uploads, store.lines(key)) };
  }
  if (submit.inventory !== undefined) {
    const { store, key } = await locate(submit.inventory, ports);
    const { body } = await store.get(key, { maxBytes: maxManifestBytes });
    const inventory = parseInventory(new TextDecoder().decode(body));
    const files = ports.open(`s3://${inventory.bucket}/`);
    const lines = inventoryItems(inventory, uploads.uri, (file) => gunzipLines(files.pieces(file)));
    return { kind: "lines", identity: { inventory: submit.inventory }, lines };
  }
  return { kind: "prefix", prefix: submit.prefix ?? "" };
}

/** Where a list lies: a key of staging, or an s3:// address in the uploads bucket. */
async function locate(
  address: string,
  { uploads, staging, open }: SourcePorts,
): Promise<{ readonly store: ObjectStore; readonly key: string }> {
  if (!address.startsWith("s3://")) return existing(staging, address);
  const bucket = `${uploads.uri.split("/").slice(0, 3).join("/")}/`;
  const near = [staging.uri, bucket].find((place) => address.startsWith(place));
  if (near === undefined) {
    throw new ClustsegError("SOURCE_LIST_INVALID", `${address} is neither in the uploads bucket nor in staging`, {
      hint: "Copy the list, or the inventory, to the uploads bucket: the function may read nothing else.",
    });
  }
  return existing(near === staging.uri ? staging : open(near), address.slice(near.length));
}

async function existing(store: ObjectStore, key: string) {
  if ((await store.head(key)) !== undefined) return { store, key };
  throw new ClustsegError("SOURCE_NOT_FOUND", `there is no list at ${store.uri}${key}`, {
    hint: "Check the address.",
  });
}
