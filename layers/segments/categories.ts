/** A class that segments can have, in COCO's names; the `categories` of metadata.json and of data set exports. */
export interface Category {
  readonly id: number;
  readonly name: string;
  /** Things are countable (a segment is one object); stuff is not (a segment is all of it in the picture). */
  readonly isthing: boolean;
  /** Red, green, blue, 0..255. */
  readonly color: readonly [red: number, green: number, blue: number];
}
