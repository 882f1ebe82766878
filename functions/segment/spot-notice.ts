import { z } from "zod";

/** "This instance will be taken back": https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html */
export interface SpotNotice {
  readonly action: string;
  readonly time: string;
}

export interface SpotWatchOptions {
  /** Of the instance metadata service. @default http://169.254.169.254 */
  readonly endpoint?: string;
  /** @default 5000, as AWS advises */
  readonly everyMs?: number;
  /** Of one request: the service answers within milliseconds, or does not exist. @default 1000 */
  readonly timeoutMs?: number;
  readonly onNotice: (notice: SpotNotice) => void;
  /** Called once when the service does not answer: then SIGTERM is all the warning there will be. */
  readonly onUnreachable?: (reason: string) => void;
}

/** Seconds that a session token of IMDSv2 is good for: the most there is. */
const tokenSeconds = 21_600;
/** Unanswered requests in a row before it is taken for absent. */
const patience = 3;

const noticeSchema = z.object({ action: z.string(), time: z.string() });

/**
 * Ask the instance metadata service (version 2, with a session token) every few seconds whether the Spot instance will be taken
 * back. EC2 does not tell containers; the ECS agent's draining stops services only, and Batch's jobs are none.
 *
 * @returns ends the watch
 */
export function watchSpotNotice(options: SpotWatchOptions): () => void {
  const { endpoint = "http://169.254.169.254", everyMs = 5000, onNotice, onUnreachable } = options;
  const base = endpoint.replace(/\/$/, "");
  const ended = new AbortController();
  let token: string | undefined;
  let unanswered = 0;
  let timer: NodeJS.Timeout | undefined;

  const ask = (path: string, init: RequestInit): Promise<Response> =>
    fetch(`${base}${path}`, {
      ...init,
      signal: AbortSignal.any([ended.signal, AbortSignal.timeout(options.timeoutMs ?? 1000)]),
    });

  const look = async (): Promise<SpotNotice | undefined> => {
    if (token === undefined) {
      const headers = { "X-aws-ec2-metadata-token-ttl-seconds": String(tokenSeconds) };
      const answer = await ask("/latest/api/token", { method: "PUT", headers });
      if (!answer.ok) throw new Error(`no session token: HTTP ${answer.status}`);
      token = await answer.text();
    }
    const headers = { "X-aws-ec2-metadata-token": token };
    const answer = await ask("/latest/meta-data/spot/instance-action", { headers });
    const text = await answer.text();
    if (answer.status === 401) token = undefined;
    // 404: nothing is planned.
    if (!answer.ok) return undefined;
    return noticeSchema.parse(JSON.parse(text));
  };

  const poll = async (): Promise<void> => {
    try {
      const notice = await look();
      unanswered = 0;
      if (notice !== undefined) return onNotice(notice);
    } catch (error) {
      if (ended.signal.aborted) return;
      if (++unanswered === patience && token === undefined) {
        return onUnreachable?.(error instanceof Error ? error.message : String(error));
      }
    }
    if (!ended.signal.aborted) timer = setTimeout(poll, everyMs).unref();
  };

  void poll();
  return () => {
    ended.abort();
    clearTimeout(timer);
  };
}
