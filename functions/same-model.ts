import { ClustsegError } from "../layers/segments/errors.js";

interface Identity {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
}

/**
 * A run goes on with the very model that it was planned for, also when the stack was deployed again in between.
 * @throws ClustsegError RUN_MODEL_CHANGED
 */
export function assertSameModel(asked: Identity, found: Identity): void {
  const same = asked.name === found.name && asked.version === found.version && asked.sha256 === found.sha256;
  if (same) return;
  const tell = ({ name, version, sha256 }: Identity) => `${name}@${version} (${sha256.slice(0, 12)}…)`;
  throw new ClustsegError("RUN_MODEL_CHANGED", `the run is for ${tell(asked)}, but this stack holds ${tell(found)}`, {
    hint: "The stack was deployed with another model since the run began: submit the images again.",
  });
}
