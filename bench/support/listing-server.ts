import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";

/** Keys of a page of S3's listing. */
const page = 1000;
/** Objects of one file of an inventory. */
const fileLines = 100_000;

const keyOf = (index: number): string => `camera-${index % 7}/2026/img_${String(index).padStart(9, "0")}.jpg`;
const etagOf = (index: number): string => (index * 2_654_435_761).toString(16).padStart(32, "0").slice(-32);

export interface ListingServer {
  readonly endpoint: string;
  close(): void;
}

/**
 * As much of S3 as plan reads of a bucket: pages of a listing, and an inventory, of `images` objects that are made up. The
 * bucket "results" is empty.
 */
export async function serveListing(images: number): Promise<ListingServer> {
  const server = createServer((request, response) => answer(request, response, images));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function answer(request: IncomingMessage, response: ServerResponse, images: number): void {
  const url = new URL(request.url ?? "/", "http://s3");
  const [bucket = "", ...rest] = url.pathname.slice(1).split("/");
  const key = rest.join("/");
  if (url.searchParams.get("list-type") === "2") {
    const from = Number(url.searchParams.get("continuation-token") ?? 0);
    send(request, response, listing(bucket === "results" ? 0 : images, from), "application/xml");
  } else if (key === "inventory/manifest.json") {
    send(request, response, Buffer.from(inventoryManifest(bucket, images)), "application/json");
  } else if (key.startsWith("inventory/data/")) {
    send(
      request,
      response,
      inventoryFile(bucket, images, Number(/(\d+)\.csv\.gz$/.exec(key)?.[1])),
      "application/gzip",
    );
  } else {
    response.writeHead(404).end();
  }
}

function send(request: IncomingMessage, response: ServerResponse, body: Buffer, type: string): void {
  response.writeHead(200, { "content-type": type, "content-length": body.length, etag: '"0"' });
  response.end(request.method === "HEAD" ? undefined : body);
}

/** ListObjectsV2's answer, in the form that AWS gives. */
function listing(images: number, from: number): Buffer {
  const to = Math.min(images, from + page);
  const entries: string[] = [];
  for (let i = from; i < to; i++) {
    entries.push(
      `<Contents><Key>${keyOf(i)}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;${etagOf(i)}&quot;</ETag><Size>${48_000 + (i % 1000)}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
    );
  }
  const more = to < images;
  const next = more ? `<NextContinuationToken>${to}</NextContinuationToken>` : "";
  return Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bench</Name><Prefix></Prefix><KeyCount>${to - from}</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><IsTruncated>${more}</IsTruncated>${next}${entries.join("")}</ListBucketResult>`,
  );
}

function inventoryManifest(bucket: string, images: number): string {
  return JSON.stringify({
    sourceBucket: bucket,
    destinationBucket: `arn:aws:s3:::${bucket}`,
    fileFormat: "CSV",
    fileSchema: "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, ETag",
    files: Array.from({ length: Math.ceil(images / fileLines) }, (_, i) => ({
      key: `inventory/data/${String(i).padStart(5, "0")}.csv.gz`,
      size: 1,
    })),
  });
}

function inventoryFile(bucket: string, images: number, file: number): Buffer {
  const lines: string[] = [];
  const end = Math.min(images, (file + 1) * fileLines);
  for (let i = file * fileLines; i < end; i++) {
    lines.push(`"${bucket}","${keyOf(i)}","","true","false","${48_000 + (i % 1000)}","${etagOf(i)}"\n`);
  }
  return gzipSync(lines.join(""), { level: 1 });
}
