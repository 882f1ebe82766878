import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { segmentsToGeoJson } from "../../layers/segments/geojson.js";
import { segmentPolygons } from "../../layers/segments/polygons.js";
import { mapOf, readFixture, rowsOf, type TextCase } from "./formats-fixtures.js";
import { scatteredMaps, segmentMaps } from "./maps.js";

interface Feature {
  readonly id: number;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly geometry: { readonly type: string; readonly coordinates: unknown };
}

const closed = (ring: Int32Array): number[][] => {
  const positions = Array.from({ length: ring.length / 2 }, (_, i) => [ring[2 * i]!, ring[2 * i + 1]!]);
  return [...positions, positions[0]!];
};

describe("segmentsToGeoJson", () => {
  it.each(readFixture<{ cases: TextCase[] }>("geojson.json").cases)(
    "is, to the byte, what a second program in training's tests writes: $name",
    ({ file_name, text, ...one }) => {
      const map = mapOf(one);

      expect(segmentsToGeoJson(map, rowsOf(map), file_name)).toBe(text);
    },
  );

  it("is JSON with a feature for each segment, and its rings are closed", () => {
    fc.assert(
      fc.property(fc.oneof(segmentMaps(), scatteredMaps()), fc.string(), (map, name) => {
        const rows = rowsOf(map);
        const found = JSON.parse(segmentsToGeoJson(map, rows, name)) as {
          type: string;
          image: unknown;
          features: Feature[];
        };
        const { width, height } = map;
        expect(found.image).toEqual({ file_name: name, width, height, unit: "pixel", y_axis: "down" });
        expect(found.features).toEqual(
          segmentPolygons(map).map((polygons, i) => {
            const coordinates = polygons.map(({ exterior, holes }) => [exterior, ...holes].map(closed));
            const one = coordinates.length === 1;
            const { id, area, color } = rows[i]!;
            return {
              type: "Feature",
              id,
              properties: { id, area, mean_color: color, unit: "pixel", y_axis: "down" },
              geometry: { type: one ? "Polygon" : "MultiPolygon", coordinates: one ? coordinates[0] : coordinates },
            };
          }),
        );
      }),
    );
  });

  it("says that y goes down, in every feature", () => {
    const map = mapOf({ name: "", width: 1, height: 2, ids: [1, 2] });

    const { features } = JSON.parse(segmentsToGeoJson(map, rowsOf(map), "a.jpg")) as { features: Feature[] };

    expect(features.map(({ properties }) => properties["y_axis"])).toEqual(["down", "down"]);
    expect(features[1]!.geometry.coordinates).toEqual([
      [
        [0, 1],
        [1, 1],
        [1, 2],
        [0, 2],
        [0, 1],
      ],
    ]);
  });

  it("refuses the table of another map", () => {
    const map = mapOf({ name: "", width: 2, height: 1, ids: [1, 2] });

    expect(() => segmentsToGeoJson(map, [], "a.jpg")).toThrow(expect.objectContaining({ code: "SEGMENT_MAP_INVALID" }));
  });
});
