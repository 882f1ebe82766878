import type { IncomingMessage } from "node:http";

/**
 * What the page may do: run and show what comes from its own place, and nothing else. No inline script or style, no eval; with
 * trusted types, no text that becomes markup. The page says the same of itself in a <meta>, for places that set no headers.
 */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types clustseg-worker",
].join("; ");

/** On every answer. No CORS header: other sites cannot read from here, and may not embed anything either. */
export const safetyHeaders: Readonly<Record<string, string>> = {
  "content-security-policy": contentSecurityPolicy,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cache-control": "no-cache",
};

/** Names that mean this machine when a browser on it asks. */
const localNames: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "[::1]"]);

export interface Refusal {
  readonly status: 403 | 405;
  readonly message: string;
}

/**
 * Why a request is not answered; undefined when it is. The Host must be a name of this machine, with any port, as ports are
 * forwarded: a site whose name was made to point here (DNS rebinding) sends its own name.
 */
export function refusalOf({ method, headers }: Pick<IncomingMessage, "method" | "headers">): Refusal | undefined {
  if (!isLocal(headers.host)) return { status: 403, message: "This server answers to 127.0.0.1 and localhost only." };
  // What no page of ours has asked for; a navigation that a person began at another site is theirs to begin.
  const site = headers["sec-fetch-site"];
  if ((site === "cross-site" || site === "same-site") && headers["sec-fetch-mode"] !== "navigate") {
    return { status: 403, message: "Other sites may not read from here." };
  }
  if (method !== "GET" && method !== "HEAD") return { status: 405, message: "Only GET and HEAD." };
  return undefined;
}

function isLocal(host: string | undefined): boolean {
  const match = /^(.*?)(?::\d{1,5})?$/.exec(host?.toLowerCase() ?? "");
  return match?.[1] !== undefined && localNames.has(match[1]);
}
