import { NO_LABEL } from "../../layers/segments/segment-map.js";
import type { LabelImage } from "./maps.js";

/**
 * The connectivity rules said as plainly as possible, with sets and searches, in no hurry: what the fast implementation is
 * compared with. Returns the final id of each pixel.
 */
export function referenceConnectivity({ labels, width, height }: LabelImage, minArea: number): number[] {
  const neighbours = (i: number): number[] => {
    const x = i % width;
    const y = Math.floor(i / width);
    const all: [number, number][] = [
      [x - 1, y],
      [x + 1, y],
      [x, y - 1],
      [x, y + 1],
    ];
    return all.filter(([u, v]) => u >= 0 && u < width && v >= 0 && v < height).map(([u, v]) => v * width + u);
  };

  // 1. Components, numbered from 0 in raster order of their first pixel.
  const componentOf = new Map<number, number>();
  const components: number[][] = [];
  for (let first = 0; first < labels.length; first++) {
    if (labels[first] === NO_LABEL || componentOf.has(first)) continue;
    const members = [first];
    componentOf.set(first, components.length);
    for (const pixel of members) {
      for (const next of neighbours(pixel)) {
        if (labels[next] !== labels[first] || componentOf.has(next)) continue;
        componentOf.set(next, components.length);
        members.push(next);
      }
    }
    components.push(members);
  }

  // 2. and 3. Groups are sets of components; orphans join, smallest first.
  let groups = components.map((_, component) => new Set([component]));
  const groupOf = (component: number) => groups.find((group) => group.has(component)) ?? new Set<number>();
  const lowest = (group: Set<number>) => Math.min(...group);
  const orphans = components
    .map((members, component) => ({ area: members.length, component }))
    .filter(({ area }) => area < minArea)
    .sort((a, b) => a.area - b.area || a.component - b.component);
  for (const { component } of orphans) {
    const own = groupOf(component);
    const borders = new Map<Set<number>, number>();
    for (const pixel of components[component] ?? []) {
      for (const next of neighbours(pixel)) {
        const other = componentOf.get(next);
        if (other === undefined || own.has(other)) continue;
        borders.set(groupOf(other), (borders.get(groupOf(other)) ?? 0) + 1);
      }
    }
    const [best] = [...borders].sort(([g, m], [h, n]) => n - m || lowest(g) - lowest(h));
    if (best === undefined) continue;
    const joined = new Set([...own, ...best[0]]);
    groups = [...groups.filter((group) => group !== own && group !== best[0]), joined];
  }

  // 4. Ids in raster order of the groups' first pixels.
  const idOf = new Map<Set<number>, number>();
  return [...labels].map((_, pixel) => {
    const component = componentOf.get(pixel);
    if (component === undefined) return 0;
    const group = groupOf(component);
    if (!idOf.has(group)) idOf.set(group, idOf.size + 1);
    return idOf.get(group) ?? 0;
  });
}
