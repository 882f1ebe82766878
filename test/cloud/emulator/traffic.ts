import type { IncomingMessage } from "node:http";

/** One call of an AWS API, as the proxy sees it. */
export interface Call {
  /** 1, 2, … in order of arrival. */
  readonly number: number;
  /** Who asks: the access key id that the caller was given ("publish.2" and the like), up to its first dot. */
  readonly stage: string;
  /** The whole access key id: tells two processes of one stage apart. */
  readonly caller: string;
  /** The service that the request is signed for: "s3", "sqs", "states", … */
  readonly service: string;
  /** "PutObject", "ReceiveMessage", …; for a REST service that is not S3, method and path. */
  readonly operation: string;
  readonly bucket: string;
  readonly key: string;
  /** Of a versioned read. */
  readonly versionId: string | undefined;
  /** Bytes of the request's body, as its header says. */
  readonly bytes: number;
}

/** Reads what a request is from its signature, path and headers; nothing is verified. */
export function describeCall(request: IncomingMessage, number: number): Call {
  const url = new URL(request.url ?? "/", "http://emulator");
  const credential =
    /Credential=([^,\s]+)/.exec(request.headers.authorization ?? "")?.[1] ??
    url.searchParams.get("X-Amz-Credential") ??
    "";
  const [keyId = "", , , service = ""] = credential.split("/");
  // The access key id that moto's Step Functions have.
  const caller = keyId === "ak" ? "states" : keyId;
  const bytes = Number(request.headers["x-amz-decoded-content-length"] ?? request.headers["content-length"] ?? 0);
  const common = { number, stage: caller.split(".")[0] ?? "", caller, service, bytes };
  const versionId = url.searchParams.get("versionId") ?? undefined;
  if (service === "s3") return { ...common, ...describeS3(request, url), versionId };
  const target = String(request.headers["x-amz-target"] ?? "");
  const operation = target === "" ? `${request.method} ${url.pathname}` : target.slice(target.lastIndexOf(".") + 1);
  return { ...common, operation, bucket: "", key: "", versionId };
}

function describeS3(request: IncomingMessage, url: URL): Pick<Call, "operation" | "bucket" | "key"> {
  const path = url.pathname.slice(1);
  const slash = path.indexOf("/");
  const bucket = slash < 0 ? path : path.slice(0, slash);
  const key = slash < 0 ? "" : decodeURIComponent(path.slice(slash + 1));
  return { bucket, key, operation: s3Operation(request, url.searchParams, key) };
}

function s3Operation({ method, headers }: IncomingMessage, query: URLSearchParams, key: string): string {
  if (key === "") {
    if (method === "GET" && query.has("list-type")) return "ListObjects";
    return method === "GET" && query.has("versions") ? "ListObjectVersions" : `${method} bucket`;
  }
  if (method === "HEAD") return "HeadObject";
  if (method === "GET") return "GetObject";
  if (method === "DELETE") return query.has("uploadId") ? "AbortMultipartUpload" : "DeleteObject";
  if (method === "POST") return query.has("uploads") ? "CreateMultipartUpload" : "CompleteMultipartUpload";
  if (query.has("partNumber")) return "UploadPart";
  return headers["x-amz-copy-source"] === undefined ? "PutObject" : "CopyObject";
}
