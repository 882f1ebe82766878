/** The root of `start`; paths are shortened on the way. In `parent` a root is its own parent, and the lowest of its group. */
export function findRoot(parent: Int32Array, start: number): number {
  let node = start;
  let up = parent[node]!;
  while (up !== node) {
    const above = parent[up]!;
    parent[node] = above;
    node = above;
    up = parent[node]!;
  }
  return node;
}

/** Makes one group of two; its root is the lower of their roots, and is returned. */
export function unite(parent: Int32Array, a: number, b: number): number {
  const rootA = findRoot(parent, a);
  const rootB = findRoot(parent, b);
  const low = Math.min(rootA, rootB);
  parent[rootA] = low;
  parent[rootB] = low;
  return low;
}

/** Each of `0 .. count - 1` a group of its own. */
export function ownGroups(count: number): Int32Array {
  const parent = new Int32Array(count);
  for (let i = 0; i < count; i++) parent[i] = i;
  return parent;
}
