import { createHash } from "node:crypto";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import type { ObjectInfo, ObjectStore } from "../../layers/pipeline/ports.js";
import { ClustsegError } from "../../layers/segments/errors.js";
import { s3Error } from "../../layers/storage/s3-errors.js";
import { parseS3Uri } from "../../layers/storage/s3-store.js";

/** Larger files go in parts. */
const wholeBytes = 16 * 1024 ** 2;
/** That of the AWS command line, so that what it has sent is recognised. 10,000 parts are 84 GB. */
const partBytes = 8 * 1024 ** 2;
/** Our own ETag of the content, where the bucket's encryption (KMS) makes S3's something else. */
const etagName = "clustseg-etag";

const contentTypes: Readonly<Record<string, string>> = {
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  jpe: "image/jpeg",
  jfif: "image/jpeg",
  png: "image/png",
  webp: "image/webp",
  gif: "image/gif",
  tif: "image/tiff",
  tiff: "image/tiff",
  avif: "image/avif",
};

/** Sends files of a store into a bucket. */
export class FileSender {
  readonly #from: ObjectStore;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;

  /** @param to s3://bucket/prefix/ */
  constructor(from: ObjectStore, to: string, client = new S3Client({})) {
    const { bucket, key } = parseS3Uri(to);
    this.#from = from;
    this.#client = client;
    this.#bucket = bucket;
    this.#prefix = key;
  }

  /**
   * Is what lies in the bucket this very file? Read only when the sizes are the same.
   * @param there what a listing of the bucket has told
   */
  async isSame(file: ObjectInfo, there: ObjectInfo): Promise<boolean> {
    if (file.size !== there.size) return false;
    const parts = Number(/-(\d+)$/.exec(there.etag)?.[1] ?? 0);
    const own = await this.#etagOf(file, parts > 0 ? partBytes : undefined);
    if (own === there.etag) return true;
    const { Metadata: metadata = {} } = await this.#told(file.key, () =>
      this.#client.send(new HeadObjectCommand(this.#target(file.key))),
    );
    const ours = metadata[etagName];
    if (ours === undefined) return false;
    return ours === own || ours === (await this.#etagOf(file, file.size > wholeBytes ? partBytes : undefined));
  }

  /**
   * Send a file. A large one goes on behind the parts that an earlier call has sent; when `signal` is aborted in its middle, its
   * parts stay for the next call.
   * @throws ClustsegError RUN_CANCELLED when it was aborted, OBJECT_* when the file cannot be read, or a STORE_* code
   */
  async send(file: ObjectInfo, signal: AbortSignal): Promise<void> {
    if (file.size > wholeBytes) return this.#sendParts(file, signal);
    const { body } = await this.#from.get(file.key, { ifMatch: file.etag });
    await this.#told(file.key, () =>
      this.#client.send(new PutObjectCommand({ ...this.#target(file.key), ...about(file.key, md5(body)), Body: body })),
    );
  }

  async #sendParts(file: ObjectInfo, signal: AbortSignal): Promise<void> {
    const etag = await this.#etagOf(file, partBytes);
    const target = this.#target(file.key);
    const uploadId = (await this.#unfinished(file.key)) ?? (await this.#begin(file.key, etag));
    const upload = { ...target, UploadId: uploadId };
    const sent = await this.#sentParts(upload, file.key);
    const parts: { PartNumber: number; ETag: string }[] = [];
    for (let start = 0, number = 1; start < file.size; start += partBytes, number++) {
      if (signal.aborted) throw stopped(file.key);
      const body = await this.#range(file, start);
      const sum = md5(body);
      const earlier = sent.get(number);
      // Of a bucket whose ETags are no MD5 (KMS) a part is never recognised, and sent again.
      if (earlier !== undefined && earlier.replaceAll('"', "") === sum) {
        parts.push({ PartNumber: number, ETag: earlier });
        continue;
      }
      const { ETag = "" } = await this.#told(file.key, () =>
        this.#client.send(new UploadPartCommand({ ...upload, PartNumber: number, Body: body })),
      );
      parts.push({ PartNumber: number, ETag });
    }
    await this.#told(file.key, () =>
      this.#client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } })),
    );
  }

  async #begin(key: string, etag: string): Promise<string> {
    const command = new CreateMultipartUploadCommand({ ...this.#target(key), ...about(key, etag) });
    const { UploadId = "" } = await this.#told(key, () => this.#client.send(command));
    return UploadId;
  }

  /** What an earlier call has begun and not finished, the newest of it. */
  async #unfinished(key: string): Promise<string | undefined> {
    const { Key } = this.#target(key);
    const command = new ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: Key });
    const { Uploads: uploads = [] } = await this.#told(key, () => this.#client.send(command));
    const own = uploads.filter((upload) => upload.Key === Key);
    own.sort((a, b) => (b.Initiated?.getTime() ?? 0) - (a.Initiated?.getTime() ?? 0));
    return own[0]?.UploadId;
  }

  async #sentParts(
    upload: { Bucket: string; Key: string; UploadId: string },
    key: string,
  ): Promise<Map<number, string>> {
    const sent = new Map<number, string>();
    let marker: string | undefined;
    do {
      const page = await this.#told(key, () =>
        this.#client.send(
          new ListPartsCommand({ ...upload, ...(marker === undefined ? {} : { PartNumberMarker: marker }) }),
        ),
      );
      for (const { PartNumber = 0, ETag = "" } of page.Parts ?? []) sent.set(PartNumber, ETag);
      marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
    } while (marker !== undefined);
    return sent;
  }

  /** S3's ETag of the file: the MD5 of its bytes, or of the MD5s of its parts. */
  async #etagOf(file: ObjectInfo, part: number | undefined): Promise<string> {
    if (part === undefined) {
      const hash = createHash("md5");
      for (let start = 0; start < file.size; start += partBytes) hash.update(await this.#range(file, start));
      return hash.digest("hex");
    }
    const sums = createHash("md5");
    let parts = 0;
    for (let start = 0; start < file.size; start += part, parts++) {
      sums.update(Buffer.from(md5(await this.#range(file, start)), "hex"));
    }
    return `${sums.digest("hex")}-${parts}`;
  }

  async #range({ key, etag, size }: ObjectInfo, start: number): Promise<Uint8Array> {
    const end = Math.min(size, start + partBytes);
    return (await this.#from.get(key, { range: { start, end }, ifMatch: etag })).body;
  }

  #target(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key };
  }

  async #told<T>(key: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw s3Error(error, `s3://${this.#bucket}/${this.#prefix}${key}`, "writing");
    }
  }
}

function about(key: string, etag: string) {
  const type = contentTypes[key.slice(key.lastIndexOf(".") + 1).toLowerCase()];
  return { Metadata: { [etagName]: etag }, ...(type === undefined ? {} : { ContentType: type }) };
}

function md5(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}

function stopped(key: string): ClustsegError {
  return new ClustsegError("RUN_CANCELLED", `stopped in the middle of ${key}`, {
    hint: "Give the same command again: it goes on behind the parts that were sent.",
  });
}
