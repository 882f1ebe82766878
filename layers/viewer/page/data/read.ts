/** What a document that somebody else wrote turns out to be. */

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

export function isText(value: unknown): value is string {
  return typeof value === "string";
}

/** Red, green, blue as whole numbers 0..255. */
export function isRgb(value: unknown): value is [number, number, number] {
  return (
    Array.isArray(value) &&
    value.length === 3 &&
    value.every((one) => Number.isInteger(one) && (one as number) >= 0 && (one as number) <= 255)
  );
}
