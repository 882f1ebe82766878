// package.json and package-lock.json of some packages of ours and what they stand on, taken from the project's own lock file: a
// container and a layer then hold the very versions (and are held to the very checksums) that the tests ran with.

/** The entry that `require(name)` in the package at `from` finds, as a key of the lock's `packages`; undefined if there is none. */
function resolve(packages, from, name) {
  const parents = from === "" ? [] : from.split("/node_modules/");
  for (let depth = parents.length; depth > 0; depth--) {
    const key = `${parents.slice(0, depth).join("/node_modules/")}/node_modules/${name}`;
    if (key in packages) return key;
  }
  return `node_modules/${name}` in packages ? `node_modules/${name}` : undefined;
}

/** Keys of `names` and all that they need, in the lock's order. `skip` names packages that are left out, with what only they need. */
export function closureOf(packages, names, skip = new Set()) {
  const found = new Set();
  const visit = (from, name) => {
    if (skip.has(name)) return;
    const key = resolve(packages, from, name);
    if (key === undefined || found.has(key)) return;
    found.add(key);
    const { dependencies, optionalDependencies } = packages[key];
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) visit(key, needed);
  };
  for (const name of names) visit("", name);
  return Object.keys(packages).filter((key) => found.has(key));
}

/**
 * @param lock package-lock.json, version 3
 * @param names packages that are at the top of it
 * @returns { manifest, lock } for a package called `name`
 */
export function pruneLock(lock, names, name) {
  const { packages } = lock;
  const missing = names.filter((one) => !(`node_modules/${one}` in packages));
  if (missing.length > 0) throw new Error(`package-lock.json has no ${missing.join(", ")}: run npm install`);
  const dependencies = Object.fromEntries(names.map((one) => [one, packages[`node_modules/${one}`].version]));
  const manifest = { name, version: packages[""].version, private: true, type: "module", dependencies };
  const entries = closureOf(packages, names).map((key) => [key, packages[key]]);
  const { name: _, version, ...root } = manifest;
  return {
    manifest,
    lock: {
      name,
      version,
      lockfileVersion: lock.lockfileVersion,
      requires: true,
      packages: { "": { name, version, dependencies: root.dependencies }, ...Object.fromEntries(entries) },
    },
  };
}

/** Folders below node_modules that `names` do without when they do without `needless`: those, and what only they stand on. */
export function needlessOf(packages, names, needless) {
  const running = new Set(closureOf(packages, names, new Set(needless)));
  return closureOf(packages, names)
    .filter((key) => !running.has(key))
    .map((key) => key.replace("node_modules/", ""));
}
