/** Whether every bundle of dist/ is there and none is older than a source. */
export function isFresh(): boolean;
/** Writes all bundles of dist/. */
export function build(): Promise<void>;
/** Builds if a source is newer than dist/, or if dist/ is not there. */
export function ensureBuilt(): Promise<void>;
