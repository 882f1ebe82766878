import { ClustsegError } from "../../layers/segments/errors.js";

/** No credentials, or credentials that are not valid (any more). */
const noCredentials = new Set([
  "CredentialsProviderError",
  "TokenProviderError",
  "ExpiredToken",
  "ExpiredTokenException",
  "InvalidClientTokenId",
  "UnrecognizedClientException",
  "InvalidSignatureException",
  "SignatureDoesNotMatch",
  "IncompleteSignature",
  "AuthFailure",
]);

const denied = /^(AccessDenied|AccessDeniedException|UnauthorizedOperation|NotAuthorized|Forbidden)/;
const passing =
  /Throttl|TooManyRequests|SlowDown|ServiceUnavailable|InternalFailure|InternalServerError|Timeout|ECONN|ENOTFOUND|EAI_AGAIN|LimitExceeded/;

/**
 * An error of an AWS client, which has retried by then, in this program's words.
 * @param doing "reading the stack clustseg-dev"
 */
export function cloudError(error: unknown, doing: string): ClustsegError {
  if (error instanceof ClustsegError) return error;
  const cause = error;
  const name = nameOf(error);
  const said = error instanceof Error ? error.message.replaceAll("\n", " ") : String(error);
  if (/^Region (?:is missing|not accepted)/.test(said)) {
    return new ClustsegError("CONFIG_INVALID", `no AWS region is set for ${doing}`, {
      hint: 'Give --region, set AWS_REGION, or write {"region": "…"} into clustseg.json.',
      cause,
    });
  }
  if (noCredentials.has(name)) {
    return new ClustsegError("CLOUD_ACCESS_DENIED", `${doing} failed: no valid AWS credentials (${name})`, {
      hint: "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in again (aws sso login).",
      cause,
    });
  }
  if (denied.test(name) || statusOf(error) === 403) {
    return new ClustsegError("CLOUD_ACCESS_DENIED", `${doing} is not allowed: ${said}`, {
      hint: "Use a profile that may do this (AWS_PROFILE); `clustseg doctor --cloud` tells who you are.",
      cause,
    });
  }
  const status = statusOf(error);
  if (passing.test(name) || passing.test(said) || (status !== undefined && (status >= 500 || status === 429))) {
    return new ClustsegError("CLOUD_UNAVAILABLE", `${doing} failed: ${said} (${name})`, {
      hint: "Try again; the run in the cloud is not affected.",
      cause,
    });
  }
  return new ClustsegError("CLOUD_FAILED", `${doing} failed: ${said} (${name})`, {
    hint: "`clustseg doctor --cloud` tells what is wrong with the stack.",
    cause,
  });
}

export function nameOf(error: unknown): string {
  if (typeof error !== "object" || error === null) return String(error);
  const { name, code } = error as { name?: unknown; code?: unknown };
  return typeof name === "string" && name !== "Error" ? name : String(code ?? name);
}

function statusOf(error: unknown): number | undefined {
  const status = (error as { $metadata?: { httpStatusCode?: unknown } } | null)?.$metadata?.httpStatusCode;
  return typeof status === "number" ? status : undefined;
}

/** `work`, whose errors are told in this program's words. */
export async function told<T>(doing: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw cloudError(error, doing);
  }
}
