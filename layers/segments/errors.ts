/** Whose fault an error is: the image or object given, the person who asked, or the machine and this program. */
export type ErrorFault = "input" | "user" | "system";

interface ErrorCodeRow {
  readonly fault: ErrorFault;
  /** True when the very same request may succeed later with nothing in it changed. */
  readonly retryable: boolean;
  /** What it means, in one line: the documentation of the code. */
  readonly about: string;
}

/**
 * Every error this product can report. Codes are stable: people filter reports by them, so a code may be added but never
 * renamed or given another meaning. This is the only list.
 */
export const errorCodes = {
  // The bytes of one image.
  IMAGE_EMPTY: { fault: "input", retryable: false, about: "the file holds no bytes" },
  IMAGE_UNSUPPORTED: { fault: "input", retryable: false, about: "not an image, or of a format that is not accepted" },
  IMAGE_TRUNCATED: { fault: "input", retryable: false, about: "the image ends before its last pixel" },
  IMAGE_DAMAGED: { fault: "input", retryable: false, about: "the image's bytes contradict its format" },
  IMAGE_TOO_LARGE: { fault: "input", retryable: false, about: "more pixels than the limit, or a decompression bomb" },
  IMAGE_UNDECODABLE: { fault: "input", retryable: false, about: "the decoder gave up for a reason it did not tell" },

  // One object or file of a store.
  OBJECT_NOT_FOUND: { fault: "input", retryable: false, about: "the object is not there (any more)" },
  OBJECT_CHANGED: { fault: "input", retryable: true, about: "the object changed since it was listed, or while read" },
  OBJECT_TOO_LARGE: { fault: "input", retryable: false, about: "more bytes than the limit for one object" },
  OBJECT_UNREADABLE: { fault: "input", retryable: false, about: "the object is there but may not or cannot be read" },
  OBJECT_ARCHIVED: { fault: "input", retryable: false, about: "the object is in an archive class: restore it first" },
  OBJECT_KEY_DENIED: {
    fault: "input",
    retryable: false,
    about: "the key that the object is encrypted with is not to be had",
  },
  OBJECT_NOT_A_FILE: { fault: "input", retryable: false, about: "the key names a folder, a device or a socket" },
  OBJECT_LINK_LOOP: { fault: "input", retryable: false, about: "a symbolic link leads back to itself" },
  OBJECT_OUTSIDE_ROOT: { fault: "input", retryable: false, about: "a link or a name leads out of the store's root" },
  OBJECT_KEY_INVALID: { fault: "input", retryable: false, about: "the key is empty, too long or not UTF-8" },

  // A whole store.
  STORE_URI_INVALID: { fault: "user", retryable: false, about: "not the address of a folder or a bucket" },
  STORE_NOT_FOUND: { fault: "user", retryable: false, about: "the folder or bucket does not exist" },
  STORE_ACCESS_DENIED: { fault: "user", retryable: false, about: "no credentials, or they do not allow this" },
  STORE_FULL: { fault: "system", retryable: true, about: "no space or quota left where results are written" },
  STORE_READ_ONLY: { fault: "user", retryable: false, about: "the store or its role does not allow writing" },
  STORE_WRITE_FAILED: { fault: "system", retryable: true, about: "writing failed; nothing that looks whole was left" },
  STORE_READ_FAILED: { fault: "system", retryable: true, about: "reading failed for a reason other than the object" },
  STORE_UNAVAILABLE: { fault: "system", retryable: true, about: "the store did not answer, or asked to slow down" },

  // What a person asked for.
  USAGE: { fault: "user", retryable: false, about: "the command line does not make sense" },
  CONFIG_INVALID: { fault: "user", retryable: false, about: "an environment variable or a setting has a bad value" },
  PARAMETER_INVALID: { fault: "user", retryable: false, about: "a parameter is out of its range" },
  FORMAT_UNKNOWN: { fault: "user", retryable: false, about: "no such output format" },
  FORMAT_UNSUITABLE: { fault: "user", retryable: false, about: "the format cannot say what this task finds" },
  TASK_UNSUPPORTED: { fault: "user", retryable: false, about: "the model does not do this task" },
  SOURCE_NOT_FOUND: { fault: "user", retryable: false, about: "the file, folder, glob or list names nothing" },
  SOURCE_EMPTY: { fault: "user", retryable: false, about: "the source exists but holds no images" },
  SOURCE_LIST_INVALID: { fault: "user", retryable: false, about: "a list or inventory of images cannot be read" },
  RESULT_NOT_FOUND: { fault: "user", retryable: false, about: "no result lies at this place" },
  RESULTS_MIXED: { fault: "user", retryable: false, about: "results of several models or tasks lie in one place" },

  // The model bundle and its runtime.
  MODEL_NOT_FOUND: { fault: "user", retryable: false, about: "no bundle by this name or at this path" },
  MODEL_MANIFEST_INVALID: { fault: "user", retryable: false, about: "model.json does not match its schema" },
  MODEL_DAMAGED: { fault: "user", retryable: false, about: "the graph's bytes do not match size or SHA-256" },
  MODEL_INCOMPATIBLE: { fault: "user", retryable: false, about: "the graph's inputs or outputs are not as declared" },
  MODEL_LOAD_FAILED: { fault: "system", retryable: false, about: "the runtime refused the graph" },
  MODEL_PROVIDER_UNAVAILABLE: { fault: "user", retryable: false, about: "the execution provider does not work here" },
  MODEL_RUN_FAILED: { fault: "system", retryable: false, about: "the runtime failed on this image" },
  MODEL_OUTPUT_INVALID: { fault: "system", retryable: false, about: "the graph's labels have a wrong type or shape" },
  MODEL_OUT_OF_MEMORY: { fault: "system", retryable: true, about: "not enough memory to run the graph" },
  MODEL_WORKER_DIED: { fault: "system", retryable: true, about: "the thread that runs the graph ended unexpectedly" },
  MODEL_CLOSED: { fault: "system", retryable: false, about: "the model was used after it was closed" },

  // Segment maps and what is derived from them.
  SEGMENT_MAP_INVALID: { fault: "system", retryable: false, about: "sizes or ids of a segment map do not agree" },
  SEGMENT_LIMIT: { fault: "input", retryable: false, about: "more than 65,535 segments in one map" },
  SEGMENT_CSV_INVALID: { fault: "input", retryable: false, about: "a segments.csv does not have the expected rows" },
  SEGMENT_RLE_INVALID: { fault: "input", retryable: false, about: "a run-length string does not describe a mask" },
  FORMAT_LIMIT: {
    fault: "input",
    retryable: false,
    about: "more classes, objects or names than a format can tell apart",
  },
  ENCODE_FAILED: { fault: "system", retryable: false, about: "a result file could not be encoded" },

  // Runs, and the documents that stages hand to each other.
  EVENT_INVALID: { fault: "input", retryable: false, about: "an event or message is not of the expected form" },
  RUN_REQUEST_INVALID: { fault: "user", retryable: false, about: "the run request does not match its schema" },
  RUN_NOT_FOUND: { fault: "user", retryable: false, about: "no run by this id is in the staging store" },
  RUN_MODEL_CHANGED: { fault: "user", retryable: false, about: "the run was planned for another model than is here" },
  RUN_CONFLICT: { fault: "user", retryable: true, about: "another process works on the same run" },
  RUN_CANCELLED: { fault: "user", retryable: true, about: "stopped on request; it goes on where it was" },
  RUN_FAILURE_BUDGET: { fault: "input", retryable: false, about: "stopped: more images were rejected than allowed" },
  MANIFEST_INVALID: { fault: "input", retryable: false, about: "a line of a manifest or shard cannot be read" },
  OUTCOME_INVALID: { fault: "system", retryable: false, about: "an item outcome does not match its schema" },
  PACK_DAMAGED: { fault: "system", retryable: true, about: "a staged pack is cut short or does not add up" },
  PACK_FILE_REFUSED: { fault: "system", retryable: false, about: "a staged pack holds a file that is not allowed" },
  RESULT_BUSY: {
    fault: "system",
    retryable: true,
    about: "another run is writing the result of the same image just now",
  },
  METADATA_INVALID: { fault: "system", retryable: false, about: "a metadata.json does not match its schema" },
  ITEM_CRASHED: {
    fault: "input",
    retryable: false,
    about: "the program died twice while it had this image alone in hand",
  },
  ITEM_TIMEOUT: { fault: "system", retryable: true, about: "one image took longer than is allowed" },

  // The cloud, as the command line sees it.
  STACK_NOT_FOUND: { fault: "user", retryable: false, about: "no stack by this name in this account and region" },
  STACK_INVALID: { fault: "user", retryable: false, about: "the stack has not the outputs of one of this version" },
  CLOUD_ACCESS_DENIED: { fault: "user", retryable: false, about: "no AWS credentials, or they do not allow this" },
  CLOUD_UNAVAILABLE: { fault: "system", retryable: true, about: "AWS did not answer, or asked to slow down" },
  CLOUD_FAILED: { fault: "system", retryable: false, about: "AWS refused a request for another reason" },

  // A bug in this program.
  INTERNAL: { fault: "system", retryable: false, about: "something that cannot happen did happen" },
} as const satisfies Record<string, ErrorCodeRow>;

export type ErrorCode = keyof typeof errorCodes;

export interface ClustsegErrorOptions {
  /** What the reader should do next, as a full sentence. */
  readonly hint: string;
  readonly cause?: unknown;
}

/** The part of an error that is written into outcomes and reports. */
export interface ErrorRecord {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly retryable: boolean;
}

/** The one error of this product: a stable code, what happened (message), and what to do next (hint). */
export class ClustsegError extends Error {
  override readonly name = "ClustsegError";
  readonly code: ErrorCode;
  readonly fault: ErrorFault;
  readonly retryable: boolean;
  readonly hint: string;

  /**
   * @param code a key of `errorCodes`, which gives fault and retryable
   * @param message what happened, to what
   */
  constructor(code: ErrorCode, message: string, options: ClustsegErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.fault = errorCodes[code].fault;
    this.retryable = errorCodes[code].retryable;
    this.hint = options.hint;
  }

  /** Also what `JSON.stringify` writes; the cause and the stack stay out, as they differ between machines. */
  toJSON(): ErrorRecord {
    return { code: this.code, message: this.message, hint: this.hint, retryable: this.retryable };
  }
}

/** Is `value` one of the stable codes? For readers of outcomes that were written by another version. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(errorCodes, value);
}

/** `error` itself when it is a ClustsegError, else a ClustsegError of `code` (INTERNAL if not given) that has it as cause. */
export function asClustsegError(
  error: unknown,
  code: ErrorCode = "INTERNAL",
  hint = "Try again; if it happens again, report it together with the image.",
): ClustsegError {
  if (error instanceof ClustsegError) return error;
  const message = error instanceof Error && error.message !== "" ? error.message : String(error);
  return new ClustsegError(code, message, { hint, cause: error });
}
