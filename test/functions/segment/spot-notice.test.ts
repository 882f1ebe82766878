import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type SpotNotice, watchSpotNotice } from "../../../functions/segment/spot-notice.js";

const notice = { action: "terminate", time: "2026-11-23T12:00:00Z" };
const open: Server[] = [];

describe("the watch for a Spot notice", () => {
  afterEach(() => {
    for (const server of open.splice(0)) server.close();
  });

  it("asks with a session token, goes on while nothing is planned, and tells once", async () => {
    const service = await metadataService({ noticeAfter: 3 });
    const told: SpotNotice[] = [];

    watchSpotNotice({ endpoint: service.endpoint, everyMs: 5, onNotice: (one) => told.push(one) });
    await vi.waitFor(() => expect(told).toEqual([notice]));
    const asked = service.requests.length;
    await pause(40);

    expect(service.requests.slice(0, 2)).toEqual([
      "PUT /latest/api/token",
      "GET /latest/meta-data/spot/instance-action",
    ]);
    expect(service.requests.filter((one) => one.startsWith("PUT"))).toHaveLength(1);
    expect(service.requests).toHaveLength(asked);
  });

  it("gets a new token when the old one is refused", async () => {
    const service = await metadataService({ noticeAfter: 4, forgetTokenAfter: 2 });
    const told: SpotNotice[] = [];

    watchSpotNotice({ endpoint: service.endpoint, everyMs: 5, onNotice: (one) => told.push(one) });
    await vi.waitFor(() => expect(told).toEqual([notice]));

    expect(service.requests.filter((one) => one.startsWith("PUT"))).toHaveLength(2);
  });

  it("gives up, and says so, where there is no such service", async () => {
    const closed = await metadataService({ noticeAfter: 1 });
    await new Promise((resolve) => open.pop()?.close(resolve));
    const reasons: string[] = [];
    const told: SpotNotice[] = [];

    watchSpotNotice({
      endpoint: closed.endpoint,
      everyMs: 5,
      timeoutMs: 200,
      onNotice: (one) => told.push(one),
      onUnreachable: (reason) => reasons.push(reason),
    });
    await vi.waitFor(() => expect(reasons).toHaveLength(1));
    await pause(40);

    expect(reasons).toHaveLength(1);
    expect(told).toEqual([]);
  });

  it("does not take an answer that makes no sense for a notice", async () => {
    const service = await metadataService({ noticeAfter: 1, nonsense: true });
    const told: SpotNotice[] = [];

    const end = watchSpotNotice({ endpoint: service.endpoint, everyMs: 5, onNotice: (one) => told.push(one) });
    await vi.waitFor(() => expect(service.requests.length).toBeGreaterThan(5));
    end();

    expect(told).toEqual([]);
  });

  it("ends when told to", async () => {
    const service = await metadataService({ noticeAfter: 1000 });

    const end = watchSpotNotice({ endpoint: service.endpoint, everyMs: 5, onNotice: () => {} });
    await vi.waitFor(() => expect(service.requests.length).toBeGreaterThan(2));
    end();
    await pause(20);
    const asked = service.requests.length;
    await pause(40);

    expect(service.requests).toHaveLength(asked);
  });
});

/** Version 2 of the instance metadata service, as far as it is asked here: without the token it answers nobody. */
async function metadataService(options: {
  readonly noticeAfter: number;
  readonly forgetTokenAfter?: number;
  readonly nonsense?: boolean;
}) {
  const requests: string[] = [];
  let token = "";
  let asked = 0;
  const answer = (request: IncomingMessage): [number, string] => {
    const { method = "", url = "", headers } = request;
    requests.push(`${method} ${url}`);
    if (method === "PUT" && url === "/latest/api/token") {
      if (!(Number(headers["x-aws-ec2-metadata-token-ttl-seconds"]) > 0)) return [400, ""];
      token = `token-${requests.length}`;
      return [200, token];
    }
    if (url !== "/latest/meta-data/spot/instance-action") return [404, ""];
    asked++;
    if (asked === options.forgetTokenAfter) token = "";
    if (headers["x-aws-ec2-metadata-token"] !== token || token === "") return [401, ""];
    if (asked < options.noticeAfter) return [404, "<html>Not Found</html>"];
    return [200, options.nonsense ? "<html>a proxy's page</html>" : JSON.stringify(notice)];
  };
  const server = createServer((request, response) => {
    const [status, body] = answer(request);
    response.writeHead(status).end(body);
  });
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
