import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cvatFoot, cvatHead, cvatImage, cvatLabels, cvatRle } from "../../layers/segments/cvat.js";
import { labelStudioConfig, labelStudioTask } from "../../layers/segments/label-studio.js";
import { segmentTable } from "../../layers/segments/table.js";
import { attribute, hexColor, xmlText } from "../../layers/segments/xml.js";
import { classedMaps, objectsOf, pixelsOf, someCategories } from "./classed-maps.js";
import { filledByOdd } from "./raster.js";

/** What CVAT does with a mask's attributes. */
function maskOf({ width, height }: { width: number; height: number }, line: string): string {
  const number = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(line)![1]);
  const [left, top, wide] = [number("left"), number("top"), number("width")];
  const mask = new Uint8Array(width * height);
  let at = 0;
  for (const [i, length] of / rle="([^"]*)"/.exec(line)![1]!.split(",").map(Number).entries()) {
    for (const end = at + length; at < end; at++) {
      if (i % 2 === 1) mask[(top + Math.floor(at / wide)) * width + left + (at % wide)] = 1;
    }
  }
  expect(at).toBe(wide * number("height"));
  return mask.join("");
}

describe("CVAT's XML", () => {
  it("has a mask for each object, in its box, row by row", () => {
    fc.assert(
      fc.property(classedMaps(), (given) => {
        const { map, rows, categories } = given;
        const [head, ...masks] = cvatImage(map, rows, categories, 7, "a/b.jpg");
        expect(head).toBe(`  <image id="7" name="a/b.jpg" width="${map.width}" height="${map.height}">`);
        expect(masks.pop()).toBe("  </image>");
        const objects = objectsOf(given);
        expect(masks).toHaveLength(objects.length);
        for (const [i, { row, category }] of objects.entries()) {
          expect(masks[i]).toContain(`<mask label=${attribute(category.name)} `);
          expect(masks[i]).toContain(`<attribute name="score">${row.score}</attribute>`);
          expect(maskOf(map, masks[i]!)).toBe(pixelsOf(map, row.id));
        }
      }),
    );
  });

  it("begins with a run of zeros, which may be none", () => {
    const map = { width: 3, height: 2, segments: 2, ids: Uint16Array.of(1, 1, 2, 2, 1, 1) };
    const rows = segmentTable(map, new Uint8Array(18));
    expect(rows.map((row) => cvatRle(map, row))).toEqual([
      [0, 2, 2, 2],
      [2, 2, 2],
    ]);
  });

  it("names the labels in its head, and as CVAT's editor takes them", () => {
    const head = cvatHead(someCategories, 3).join("\n");
    expect(head).toContain("<size>3</size>");
    expect(head.match(/<label>/g)).toHaveLength(4);
    expect(head).toContain('<name>sky &amp; "air" &lt;1&gt;</name><color>#4682b4</color><type>mask</type>');
    expect(cvatFoot).toBe("</annotations>");
    expect(JSON.parse(cvatLabels(someCategories))[0]).toEqual({
      name: "traffic light",
      color: "#c81e1e",
      type: "mask",
      attributes: [{ name: "score", mutable: false, input_type: "text", default_value: "", values: [] }],
    });
    expect(JSON.parse(cvatLabels([])).map(({ name }: { name: string }) => name)).toEqual(["superpixel"]);
  });
});

describe("Label Studio's tasks", () => {
  it("have a region for each piece of an object, in percent, which together hold its pixels", () => {
    fc.assert(
      fc.property(classedMaps(), (given) => {
        const { map, rows, categories } = given;
        const task = labelStudioTask(map, rows, categories, "/data/a.jpg", "m 1.0.0");
        expect(task.data).toEqual({ image: "/data/a.jpg" });
        const [{ result, score, model_version }] = task.predictions as [(typeof task.predictions)[0]];
        const objects = objectsOf(given);
        const mean = objects.reduce((sum, { row }) => sum + row.score!, 0) / objects.length;
        expect(model_version).toBe("m 1.0.0");
        if (objects.length === 0) expect(score).toBeUndefined();
        else expect(score).toBeCloseTo(mean, 3);
        expect(new Set(result.map(({ id }) => id)).size).toBe(result.length);
        for (const { row, category } of objects) {
          const own = result.filter(({ id }) => id === String(row.id) || id.startsWith(`${row.id}-`));
          const rings = own.map(({ value }) =>
            value.points.flatMap(([x, y]) => [Math.round((x * map.width) / 100), Math.round((y * map.height) / 100)]),
          );
          expect(filledByOdd(rings, map).join("")).toBe(pixelsOf(map, row.id));
          for (const { value, ...region } of own) {
            expect(value.polygonlabels).toEqual([category.name]);
            expect(region).toMatchObject({
              type: "polygonlabels",
              original_width: map.width,
              original_height: map.height,
              image_rotation: 0,
              score: row.score,
            });
          }
        }
        expect(result.length).toBeGreaterThanOrEqual(objects.length);
      }),
    );
  });

  it("refer to the names in the labelling config, which has a label for each class but the background", () => {
    const map = { width: 1, height: 1, segments: 1, ids: Uint16Array.of(1) };
    const { predictions } = labelStudioTask(map, segmentTable(map, new Uint8Array(3)), [], "a", "m");
    const config = labelStudioConfig(someCategories);
    expect(config).toContain(`<PolygonLabels name="${predictions[0]!.result[0]!.from_name}"`);
    expect(config).toContain(`<Image name="${predictions[0]!.result[0]!.to_name}" value="$image"`);
    expect(config.match(/<Label value="[^"]*" background="#[0-9a-f]{6}"\/>/g)).toEqual([
      '<Label value="traffic light" background="#c81e1e"/>',
      '<Label value="sky &amp; &quot;air&quot; &lt;1&gt;" background="#4682b4"/>',
      '<Label value="person" background="#c08080"/>',
      '<Label value="grass" background="#6b8e23"/>',
    ]);
  });
});

describe("XML", () => {
  const entities: Record<string, string> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"' };
  const read = (text: string) =>
    text.replace(/&#(\d+);|&\w+;/g, (all, code?: string) =>
      code ? String.fromCharCode(Number(code)) : entities[all]!,
    );

  it("keeps any text that XML can hold, in an attribute on one line", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const written = attribute(text);
        expect(written).toMatch(/^"[^"<>\n\r\t]*"$/);
        expect(read(written.slice(1, -1))).toBe(text);
        expect(read(xmlText(text))).toBe(text);
      }),
      { examples: [['a\n\t\r"&<>é😀']] },
    );
  });

  it("says that there was something where XML has no way to hold it", () => {
    expect(xmlText("a\u0000b\u001b\ud800c\uffff")).toBe("a\ufffdb\ufffd\ufffdc\ufffd");
  });

  it("writes colours as the web does", () => {
    expect(hexColor([0, 10, 255])).toBe("#000aff");
  });
});
