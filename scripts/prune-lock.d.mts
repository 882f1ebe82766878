type Packages = Readonly<Record<string, object>>;
export function closureOf(packages: Packages, names: readonly string[], skip?: ReadonlySet<string>): string[];
export function needlessOf(packages: Packages, names: readonly string[], needless: readonly string[]): string[];
export function pruneLock(
  lock: { readonly packages: Packages },
  names: readonly string[],
  name: string,
): {
  readonly manifest: { readonly dependencies: Readonly<Record<string, string>> };
  readonly lock: { readonly packages: Packages };
};
