import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import type { GetOptions, ObjectInfo, ObjectStore, PutOptions } from "../pipeline/ports.js";
import { ClustsegError } from "../segments/errors.js";
import { s3Error, s3Failure } from "./s3-errors.js";
import { uploadPieces } from "./s3-upload.js";
import { joinLines, splitLines } from "./split-lines.js";

export interface S3StoreOptions {
  readonly bucket: string;
  /** Keys of the store are below this; "" or ending in "/". @default "" */
  readonly prefix?: string;
  /** @default one made from the environment, as the AWS SDK does */
  readonly client?: S3Client;
}

/** 10,000 parts of this make 80 GB, more than any manifest. */
const partBytes = 8 * 1024 * 1024;
/** S3 answers 409 when two conditional writes of one key race; the loser asks again. */
const conflictRetries = 5;
const bodyRetries = 2;

/** Longer with each attempt, and never the same for two that collided. */
async function pause(attempt: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 2 ** attempt * 50 * (1 + Math.random())));
}

/** @throws ClustsegError STORE_URI_INVALID */
export function parseS3Uri(uri: string): { readonly bucket: string; readonly key: string } {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/s.exec(uri);
  if (match?.[1] === undefined) {
    throw new ClustsegError("STORE_URI_INVALID", `not an S3 address: ${uri}`, { hint: "Write s3://bucket/prefix/." });
  }
  return { bucket: match[1], key: match[2] ?? "" };
}

/** A bucket, or what lies below a prefix of one, as an ObjectStore. */
export class S3Store implements ObjectStore {
  readonly uri: string;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #client: S3Client;

  constructor({ bucket, prefix = "", client = new S3Client({}) }: S3StoreOptions) {
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#client = client;
    this.uri = `s3://${bucket}/${prefix}`;
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    try {
      const found = await this.#client.send(new HeadObjectCommand(this.#target(key)));
      return infoOf(key, found.ContentLength, found);
    } catch (error) {
      const mapped = s3Error(error, this.#uriOf(key), "reading");
      if (mapped.code === "OBJECT_NOT_FOUND") return undefined;
      throw mapped;
    }
  }

  async get(key: string, options: GetOptions = {}): Promise<{ body: Uint8Array; info: ObjectInfo }> {
    const { range, ifMatch, versionId, maxBytes = Number.POSITIVE_INFINITY } = options;
    // S3 cannot say "no bytes" in a range.
    if (range !== undefined && range.end <= range.start)
      return { body: new Uint8Array(), info: await this.#mustHead(key) };
    const command = new GetObjectCommand({
      ...this.#target(key),
      ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end - 1}` }),
      ...(ifMatch === undefined ? {} : { IfMatch: `"${ifMatch}"` }),
      ...(versionId === undefined ? {} : { VersionId: versionId }),
    });
    for (let attempt = 0; ; attempt++) {
      try {
        const found = await this.#client.send(command);
        const length = found.ContentLength ?? 0;
        if (length > maxBytes) {
          discard(found);
          throw new ClustsegError(
            "OBJECT_TOO_LARGE",
            `${this.#uriOf(key)} has ${length} bytes, the limit is ${maxBytes}`,
            { hint: "Leave it out, or raise the limit." },
          );
        }
        const total = Number(/\/(\d+)$/.exec(found.ContentRange ?? "")?.[1] ?? length);
        const body = (await found.Body?.transformToByteArray()) ?? new Uint8Array();
        return { body, info: infoOf(key, total, found) };
      } catch (error) {
        // The range begins past the end, of an empty object for one.
        if (s3Failure(error).status === 416) return { body: new Uint8Array(), info: await this.#mustHead(key) };
        const mapped = s3Error(error, this.#uriOf(key), "reading");
        // The SDK tries again until the answer begins; a connection that breaks within the body is ours to mend.
        if (mapped.code !== "STORE_UNAVAILABLE" || attempt === bodyRetries) throw mapped;
        await pause(attempt);
      }
    }
  }

  lines(key: string): AsyncGenerator<string> {
    return splitLines(this.pieces(key));
  }

  /** The bytes of an object as they come in, in pieces. */
  async *pieces(key: string): AsyncGenerator<Uint8Array> {
    try {
      const found = await this.#client.send(new GetObjectCommand(this.#target(key)));
      try {
        if (found.Body !== undefined) yield* found.Body as unknown as AsyncIterable<Uint8Array>;
      } finally {
        discard(found);
      }
    } catch (error) {
      throw s3Error(error, this.#uriOf(key), "reading");
    }
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<"written" | "exists"> {
    const command = new PutObjectCommand({
      ...this.#target(key),
      Body: body,
      ...(options.contentType === undefined ? {} : { ContentType: options.contentType }),
      ...(options.ifAbsent ? { IfNoneMatch: "*" } : {}),
      ...(options.ifMatch === undefined ? {} : { IfMatch: `"${options.ifMatch}"` }),
    });
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#client.send(command);
        return "written";
      } catch (error) {
        const { status } = s3Failure(error);
        if ((options.ifAbsent || options.ifMatch !== undefined) && status === 412) return "exists";
        // What was to be replaced is gone.
        if (options.ifMatch !== undefined && status === 404 && s3Failure(error).name !== "NoSuchBucket")
          return "exists";
        if (status !== 409 || attempt === conflictRetries) throw s3Error(error, this.#uriOf(key), "writing");
        await pause(attempt);
      }
    }
  }

  async putLines(key: string, lines: AsyncIterable<string> | Iterable<string>): Promise<void> {
    const source = new SourceErrors(joinLines(lines, partBytes));
    try {
      await uploadPieces(this.#client, this.#target(key), "application/x-ndjson", source);
    } catch (error) {
      throw error === source.error ? error : s3Error(error, this.#uriOf(key), "writing");
    }
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    let token: string | undefined;
    do {
      const page = await this.#client
        .send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: this.#prefix + prefix,
            // XML has no words for control characters, keys do.
            EncodingType: "url",
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
        )
        .catch((error: unknown) => {
          throw s3Error(error, this.#uriOf(prefix), "listing");
        });
      for (const { Key, Size, ETag, LastModified } of page.Contents ?? []) {
        const key = decodeURIComponent((Key ?? "").replaceAll("+", " ")).slice(this.#prefix.length);
        // A key that ends in "/" is a folder that the console made.
        if (key === "" || (key.endsWith("/") && Size === 0)) continue;
        yield infoOf(key, Size, { ETag, LastModified });
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  async delete(key: string): Promise<void> {
    try {
      await this.#client.send(new DeleteObjectCommand(this.#target(key)));
    } catch (error) {
      throw s3Error(error, this.#uriOf(key), "writing");
    }
  }

  async #mustHead(key: string): Promise<ObjectInfo> {
    const info = await this.head(key);
    if (info !== undefined) return info;
    throw s3Error({ name: "NotFound", $metadata: { httpStatusCode: 404 } }, this.#uriOf(key), "reading");
  }

  #target(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key };
  }

  #uriOf(key: string): string {
    return `${this.uri}${key}`;
  }
}

/** Tells errors of the lines' own source from those of S3. */
class SourceErrors implements AsyncIterator<Uint8Array> {
  error: unknown = Symbol("none");
  readonly #source: AsyncIterator<Uint8Array>;

  constructor(source: AsyncIterator<Uint8Array>) {
    this.#source = source;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    try {
      return await this.#source.next();
    } catch (error) {
      this.error = error;
      throw error;
    }
  }
}

function infoOf(
  key: string,
  size: number | undefined,
  {
    ETag,
    VersionId,
    LastModified,
  }: { ETag?: string | undefined; VersionId?: string | undefined; LastModified?: Date | undefined },
): ObjectInfo {
  return {
    key,
    size: size ?? 0,
    etag: (ETag ?? "").replaceAll('"', ""),
    // "null" is S3's name for the only version in a bucket without versions.
    ...(VersionId === undefined || VersionId === "null" ? {} : { versionId: VersionId }),
    ...(LastModified === undefined ? {} : { lastModified: LastModified.getTime() }),
  };
}

/** Close the connection of a body that is not read to its end: left open, it would keep its place among the client's sockets. */
function discard({ Body }: GetObjectCommandOutput): void {
  const body: unknown = Body;
  if (typeof body === "object" && body !== null && "destroy" in body && typeof body.destroy === "function")
    body.destroy();
}
