/**
 * A command as a person can type it in the clone that docs/deploy.md tells of: `npx` finds the clone's own `clustseg`, which is on
 * nobody's path, and a stack other than the one that the command line finds by itself is named.
 */
export function typed(words: string, stackName: string): string {
  return `npx clustseg ${words}${stackName === "clustseg-dev" ? "" : ` --stack ${stackName}`}`;
}
