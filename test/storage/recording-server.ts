import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { S3Client } from "@aws-sdk/client-s3";

/** A request as it came in over the wire. */
export interface RecordedRequest {
  readonly method: string;
  readonly url: string;
  /** Name and value, as they were sent. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** A server in S3's place that answers everything with "yes" and keeps what it was asked, with a client of it. */
export async function recordingServer() {
  const requests: RecordedRequest[] = [];
  const server = createServer((request, response) => {
    const { method = "", url = "", rawHeaders: raw } = request;
    const headers = Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i]!, raw[2 * i + 1]!] as const);
    requests.push({ method, url, headers });
    request.resume();
    request.on("end", () => response.writeHead(200, { etag: '"0"', "content-length": 0 }).end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    forcePathStyle: true,
    maxAttempts: 1,
  });
  return {
    client,
    requests,
    close: () => {
      client.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Names that would end a header, begin another, or leave its quotes, if they came into one. */
export const hostileKeys = [
  "line\r\nx-evil: 1.jpg",
  "line\nx-evil: 1\r\n\r\nGET /evil HTTP/1.1.jpg",
  'quote"; filename="x-evil.jpg',
  "x-evil\u2028\u0085/文字😀ü.jpg",
  "x-evil\u0000\u000b\t.jpg",
] as const;
