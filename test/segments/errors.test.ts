import { describe, expect, it } from "vitest";
import { asClustsegError, ClustsegError, errorCodes, isErrorCode } from "../../layers/segments/errors.js";

describe("ClustsegError", () => {
  it("takes fault and retryable from the table of codes", () => {
    const error = new ClustsegError("OBJECT_CHANGED", "a.jpg changed while it was read", { hint: "Run again." });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: "ClustsegError", fault: "input", retryable: true, hint: "Run again." });
  });

  it("keeps the cause, but writes only code, message, hint and retryable as JSON", () => {
    const cause = new Error("ENOSPC");
    const error = new ClustsegError("STORE_FULL", "no space left", { hint: "Free some space.", cause });
    expect(error.cause).toBe(cause);
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      code: "STORE_FULL",
      message: "no space left",
      hint: "Free some space.",
      retryable: true,
    });
  });

  it("has no cause when none is given", () => {
    expect("cause" in new ClustsegError("USAGE", "no source", { hint: "Name one." })).toBe(false);
  });

  it.each(Object.entries(errorCodes))("documents %s in one line under a stable kind of name", (code, row) => {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    expect(row.about).toMatch(/^\S[^\n]*[^\s.]$/);
  });

  it("tells a code from any other text, also from what every object inherits", () => {
    expect(["IMAGE_EMPTY", "image_empty", "toString", "", 7].map(isErrorCode)).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});

describe("asClustsegError", () => {
  it("passes a ClustsegError on as it is", () => {
    const error = new ClustsegError("IMAGE_EMPTY", "a.jpg holds no bytes", { hint: "Upload it again." });
    expect(asClustsegError(error, "INTERNAL")).toBe(error);
  });

  it.each([
    [new Error("bang"), "bang"],
    ["bang", "bang"],
    [null, "null"],
    [new TypeError(""), "TypeError"],
  ])("wraps %s", (thrown, message) => {
    expect(asClustsegError(thrown)).toMatchObject({ code: "INTERNAL", message, cause: thrown });
  });
});
