import { ClustsegError } from "../segments/errors.js";

/** What the SDK's errors tell: a name, and the HTTP status. */
export function s3Failure(error: unknown): { readonly name: string; readonly status: number | undefined } {
  if (typeof error !== "object" || error === null) return { name: String(error), status: undefined };
  const { name, $metadata } = error as { name?: unknown; $metadata?: { httpStatusCode?: unknown } };
  const status = $metadata?.httpStatusCode;
  return { name: String(name), status: typeof status === "number" ? status : undefined };
}

/** There are none, or they are not valid (any more); whatever the HTTP status says. */
const noCredentials: ReadonlySet<string> = new Set([
  "CredentialsProviderError",
  "TokenProviderError",
  "ExpiredToken",
  "ExpiredTokenException",
  "InvalidAccessKeyId",
  "InvalidToken",
  "SignatureDoesNotMatch",
]);

/** The SDK has no name for this: "Region is missing", "Region not accepted: …". */
function isRegionMissing(error: unknown): boolean {
  return error instanceof Error && /^Region (?:is missing|not accepted)/.test(error.message);
}

/** KMS's own errors come through S3 with its names; a refusal comes as AccessDenied, and only its text names the key. */
function isKeyDenied(error: unknown, name: string, status: number | undefined): boolean {
  if (name.startsWith("KMS.") || name === "KMSAccessDeniedException") return true;
  const message = error instanceof Error ? error.message : "";
  if (status === 403) return /\bkms:|\bKMS\b/.test(message);
  // The customer's own key (SSE-C), which nobody has given us.
  return status === 400 && /Server Side Encryption/i.test(message);
}

/** Without the objects that runs keep for themselves, which nobody has named: what is wrong is wrong with all of the place. */
function placeOf(what: string): string {
  return what.replace(/\/\.clustseg\/.*$/, "");
}

/**
 * An error of S3 in this program's words. The SDK has retried by then.
 * @param what the object's or bucket's URI
 * @param doing what an answer means depends on it: a 403 is the object's own when it is read, else the store's
 */
export function s3Error(error: unknown, what: string, doing: "reading" | "writing" | "listing"): ClustsegError {
  if (error instanceof ClustsegError) return error;
  const cause = error;
  const { name, status } = s3Failure(error);
  if (isRegionMissing(error)) {
    return new ClustsegError(
      "CONFIG_INVALID",
      `no AWS region is set to look for ${placeOf(what)} in, or there is none of that name`,
      {
        hint: "Set AWS_REGION to the bucket's region (such as eu-central-1), or a region in the AWS profile.",
        cause,
      },
    );
  }
  if (status === 301 || name === "PermanentRedirect" || name === "AuthorizationHeaderMalformed") {
    return new ClustsegError("CONFIG_INVALID", `the bucket of ${placeOf(what)} is in another AWS region`, {
      hint: "Set AWS_REGION to the bucket's region; `aws s3api get-bucket-location` tells it.",
      cause,
    });
  }
  if (name === "NoSuchBucket") {
    return new ClustsegError("STORE_NOT_FOUND", `there is no bucket for ${placeOf(what)}`, {
      hint: "Check the bucket's name and region.",
      cause,
    });
  }
  if (doing === "reading" && (status === 404 || name === "NoSuchKey")) {
    return new ClustsegError("OBJECT_NOT_FOUND", `${what} is not there`, {
      hint: "It was deleted after it was listed, or the name is misspelt.",
      cause,
    });
  }
  if (doing === "reading" && status === 412) {
    return new ClustsegError("OBJECT_CHANGED", `${what} has changed since it was listed`, {
      hint: "Run again: the new version has an entry of its own.",
      cause,
    });
  }
  if (noCredentials.has(name) || status === 401) {
    return new ClustsegError("STORE_ACCESS_DENIED", `no valid AWS credentials for ${placeOf(what)} (${name})`, {
      hint: "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in again (aws sso login); on AWS, give the machine a role.",
      cause,
    });
  }
  if (name === "KeyTooLongError") {
    return new ClustsegError("OBJECT_KEY_INVALID", `the name is too long for S3: ${what.slice(0, 80)}…`, {
      hint: "Shorten the image's name: results lie below it, and a key has at most 1,024 bytes.",
      cause,
    });
  }
  if (doing === "reading" && name === "InvalidObjectState") {
    return new ClustsegError("OBJECT_ARCHIVED", `${what} is archived (S3 Glacier or Deep Archive)`, {
      hint: "Restore it, or copy it to another storage class, and submit it again.",
      cause,
    });
  }
  if (doing === "reading" && isKeyDenied(error, name, status)) {
    return new ClustsegError("OBJECT_KEY_DENIED", `the key that ${what} is encrypted with may not be used (${name})`, {
      hint: "Allow kms:Decrypt on its key to the role that reads uploads (in the role and in the key's policy).",
      cause,
    });
  }
  // A delete marker asked for as a version.
  if (doing === "reading" && (status === 405 || name === "NoSuchVersion")) {
    return new ClustsegError("OBJECT_NOT_FOUND", `${what} has been deleted`, { hint: "Upload it again.", cause });
  }
  if (status === 403 && doing === "reading") {
    return new ClustsegError("OBJECT_UNREADABLE", `${what} may not be read (${name})`, {
      hint: "Allow s3:GetObject and the use of its key.",
      cause,
    });
  }
  if (status === 403) {
    return new ClustsegError("STORE_ACCESS_DENIED", `${doing} ${what} is not allowed (${name})`, {
      hint: "Allow s3:ListBucket on the bucket, and s3:PutObject and s3:DeleteObject where results are written.",
      cause,
    });
  }
  if (status === undefined || status >= 500 || status === 429) {
    return new ClustsegError("STORE_UNAVAILABLE", `${doing} ${what} failed (${name})`, {
      hint: "Try again; the run goes on where it was.",
      cause,
    });
  }
  const code = doing === "writing" ? "STORE_WRITE_FAILED" : "STORE_READ_FAILED";
  return new ClustsegError(code, `${doing} ${what} failed (${name}, HTTP ${status})`, {
    hint: "Try again; the run goes on where it was.",
    cause,
  });
}
