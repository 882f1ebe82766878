import sharp from "sharp";

/** A PNG of some hundred bytes: two fields of colour and a little noise, another one for each seed. */
export async function tinyImage(seed: number, width = 32, height = 24): Promise<Uint8Array> {
  const data = new Uint8Array(width * height * 3);
  let state = (seed * 2654435761 + 1) >>> 0;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const [left, right] = [Array.from({ length: 3 }, random), Array.from({ length: 3 }, random)];
  const edge = Math.floor((0.3 + 0.4 * random()) * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const color = x < edge ? left : right;
      for (let c = 0; c < 3; c++) data[(y * width + x) * 3 + c] = Math.min(255, color[c]! * 240 + random() * 8);
    }
  }
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 3 })
    .toBuffer();
}

/** Files that call themselves images and are none, each bad in its own way, with the code that each ends with. */
export async function poisonImages(): Promise<
  ReadonlyMap<string, { readonly body: Uint8Array; readonly code: string }>
> {
  const whole = await sharp({ create: { width: 64, height: 64, channels: 3, background: "red" } })
    .jpeg()
    .toBuffer();
  return new Map([
    ["empty.jpg", { body: new Uint8Array(), code: "IMAGE_EMPTY" }],
    [
      "text.png",
      { body: new TextEncoder().encode("this is no picture at all, whatever it says"), code: "IMAGE_UNSUPPORTED" },
    ],
    ["cut.jpg", { body: whole.subarray(0, whole.length - 200), code: "IMAGE_TRUNCATED" }],
    [
      "drawing.png",
      {
        body: new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
        code: "IMAGE_UNSUPPORTED",
      },
    ],
  ]);
}
