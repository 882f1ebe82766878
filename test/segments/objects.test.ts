import { describe, expect, it } from "vitest";
import { numberObjects, objectsOfClusters, type SceneObject } from "../../layers/segments/objects.js";
import { NO_LABEL } from "../../layers/segments/segment-map.js";
import type { SegmentClass } from "../../layers/segments/table.js";
import { asText, drawn } from "./maps.js";

const sky = { categoryId: 3, isThing: false, score: 0.9 };
const cow = { categoryId: 7, isThing: true, score: 0.5 };
const things = ({ isThing }: SegmentClass): boolean => isThing;
const labelsOf = (...values: number[]) => Uint16Array.from(values);

describe("objectsOfClusters", () => {
  it("makes an object of each thing, one of all clusters of a class of stuff, and none of clusters without pixels", () => {
    const clusters = [cow, sky, { ...cow, score: 0.25 }, { ...sky, score: 0.3 }, cow];
    const labels = labelsOf(0, 0, 1, 3, 3, 2, NO_LABEL);

    const scene = objectsOfClusters(labels, clusters, things);

    expect([...scene.labels]).toEqual([0, 0, 1, 1, 1, 2, NO_LABEL]);
    expect(scene.objects).toEqual([
      { ...cow, countable: true },
      { ...sky, score: expect.closeTo((0.9 + 2 * 0.3) / 3, 12), countable: false },
      { ...cow, score: 0.25, countable: true },
    ]);
  });

  it("makes one object of all things of a class where they are not told apart", () => {
    const scene = objectsOfClusters(labelsOf(0, 1, 2), [cow, sky, cow], () => false);

    expect([...scene.labels]).toEqual([0, 1, 0]);
    expect(scene.objects.map(({ categoryId, countable }) => [categoryId, countable])).toEqual([
      [7, false],
      [3, false],
    ]);
  });

  it.each([
    ["that is not there", labelsOf(0, 2)],
    ["of no class", labelsOf(1)],
  ])("refuses a pixel with a cluster %s", (_, labels) => {
    expect(() => objectsOfClusters(labels, [cow, undefined], things)).toThrow(
      expect.objectContaining({ code: "MODEL_OUTPUT_INVALID" }),
    );
  });
});

describe("numberObjects", () => {
  const objects: SceneObject[] = [
    { ...cow, countable: true },
    { ...sky, countable: false },
    { ...cow, score: 0.123456, countable: true },
  ];
  const { labels, width, height } = drawn("cc.b", "aa.b");
  const scene = { labels: labels.map((label) => (label === NO_LABEL ? label : label - 97)), objects };

  it("counts from 1 in raster order, and keeps class and score, to four digits, beside each id", () => {
    const { map, classes } = numberObjects(scene, { width, height }, () => false);

    expect(asText(map)).toEqual(["11.2", "33.2"]);
    expect(map.segments).toBe(3);
    expect(classes).toEqual([{ ...cow, score: 0.1235 }, sky, cow]);
  });

  it("leaves the pixels of what is hidden without a segment", () => {
    const { map, classes } = numberObjects(scene, { width, height }, ({ isThing }) => !isThing);

    expect(asText(map)).toEqual(["11..", "22.."]);
    expect(classes).toHaveLength(2);
  });
});
