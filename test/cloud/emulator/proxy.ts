import {
  Agent,
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  request as send,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { Fault } from "./faults.js";
import { Ledger } from "./ledger.js";
import { type Call, describeCall } from "./traffic.js";

/** Answers a call itself when it knows how to: what moto does not run (Lambda's Invoke, Batch's jobs). */
export type Service = (call: Call, body: Buffer) => Promise<ServiceAnswer> | undefined;

export interface ServiceAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Sees each call before it is carried out; may wait, and may return a fault. */
export type Watcher = (call: Call) => Promise<Fault | undefined> | Fault | undefined;

/**
 * The address that everything talks to (AWS_ENDPOINT_URL). It passes calls on to moto, lets services answer those that moto
 * cannot, keeps a ledger of all, and gives faults. An IP address, so that S3 clients put the bucket into the path.
 */
export class AwsProxy {
  readonly ledger = new Ledger();
  readonly watchers = new Set<Watcher>();
  readonly services: Service[] = [];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  readonly #server: Server;
  #motoPort = 0;
  #number = 0;

  constructor() {
    this.#server = createServer((request, response) => {
      this.#handle(request, response).catch((error: unknown) => {
        // The client has gone, most often: a process of a test was killed.
        response.destroy(error instanceof Error ? error : undefined);
      });
    });
    this.#server.keepAliveTimeout = 60_000;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Begin to listen; moto may be started after that, with this port as its front. */
  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  forwardTo(motoPort: number): void {
    this.#motoPort = motoPort;
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** @returns call it to end the watch */
  watch(watcher: Watcher): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  /** Resolves with the first call for which `matches` is true, before that call is carried out. */
  async next(matches: (call: Call) => boolean): Promise<Call> {
    return new Promise((resolve) => {
      const watcher: Watcher = (call) => {
        if (matches(call)) {
          this.watchers.delete(watcher);
          resolve(call);
        }
        return undefined;
      };
      this.watchers.add(watcher);
    });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = describeCall(request, ++this.#number);
    let fault: Fault | undefined;
    for (const watcher of [...this.watchers]) fault ??= await watcher(call);
    if (fault?.kind === "cut") {
      request.socket.destroy();
      this.ledger.add(call, { status: 0, applied: false, etag: "", answerBytes: 0 });
      return;
    }
    if (fault?.kind === "refuse") {
      request.resume();
      this.#refuse(call, response, fault.status, fault.code, false);
      return;
    }
    if (call.service !== "s3" && this.services.length > 0) {
      const body = await readAll(request);
      for (const service of this.services) {
        const answer = await service(call, body);
        if (answer === undefined) continue;
        response.writeHead(answer.status, { "content-type": "application/json", ...answer.headers });
        response.end(answer.body);
        this.ledger.add(call, { status: answer.status, applied: true, etag: "", answerBytes: answer.body.length });
        return;
      }
      await this.#forward(call, request, response, body, fault);
      return;
    }
    await this.#forward(call, request, response, undefined, fault);
  }

  async #forward(
    call: Call,
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer | undefined,
    fault: Fault | undefined,
  ): Promise<void> {
    const { method, url: path, headers } = request;
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const passed = send(
        { host: "127.0.0.1", port: this.#motoPort, agent: this.#agent, method, path, headers },
        resolve,
      );
      passed.on("error", reject);
      request.on("error", reject);
      request.on("aborted", () => passed.destroy(new Error("the caller has gone")));
      if (body === undefined) request.pipe(passed);
      else passed.end(body);
    });
    const status = answer.statusCode ?? 500;
    const applied = status < 400;
    const etag = String(answer.headers["etag"] ?? "").replaceAll('"', "");
    if (fault?.kind === "lose-answer") {
      answer.resume();
      this.#refuse(call, response, 500, "InternalError", applied);
      return;
    }
    const answerBytes = Number(answer.headers["content-length"] ?? 0);
    this.ledger.add(call, { status, applied, etag, answerBytes });
    response.writeHead(status, answer.headers);
    answer.pipe(response);
  }

  #refuse(call: Call, response: ServerResponse, status: number, code: string, applied: boolean): void {
    const json = call.service !== "s3";
    const body = json
      ? JSON.stringify({ __type: code, message: "by the fault proxy" })
      : `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>by the fault proxy</Message></Error>`;
    response.writeHead(status, { "content-type": json ? "application/x-amz-json-1.0" : "application/xml" });
    response.end(body);
    this.ledger.add(call, { status, applied, etag: "", answerBytes: body.length });
  }
}

export async function readAll(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
