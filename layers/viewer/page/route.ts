/** What the address behind the "#" names: the gallery, or one image by its key. */
export type Route = { readonly kind: "gallery" } | { readonly kind: "image"; readonly key: string };

export function routeOf(hash: string): Route {
  const match = /^#\/image\/(.+)$/s.exec(hash);
  if (match?.[1] === undefined) return { kind: "gallery" };
  try {
    return { kind: "image", key: decodeURIComponent(match[1]) };
  } catch {
    return { kind: "gallery" };
  }
}

export function hashOf(route: Route): string {
  return route.kind === "gallery" ? "#/" : `#/image/${encodeURIComponent(route.key)}`;
}
