/** Text of an XML 1.0 element. What XML has no way to hold (most control characters, lone surrogates) becomes U+FFFD. */
export function xmlText(text: string): string {
  return text.replaceAll(unspeakable, "\ufffd").replaceAll(/[&<>]/gu, (character) => entities[character]!);
}

/** The value of an attribute, with its quotes. Line ends and tabs are kept, which a parser would make blanks otherwise. */
export function attribute(text: string): string {
  return `"${xmlText(text).replaceAll(/["\t\n\r]/gu, (character) => entities[character]!)}"`;
}

/** "#ff0080" */
export function hexColor(color: readonly number[]): string {
  return `#${color.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

// All but the characters of XML 1.0, section 2.2.
const unspeakable = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;
const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "\t": "&#9;",
  "\n": "&#10;",
  "\r": "&#13;",
};
