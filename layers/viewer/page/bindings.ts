import { byId } from "./dom.js";
import type { Gallery } from "./gallery/gallery.js";
import type { Binding } from "./keys.js";
import type { ImageView } from "./stage/image-view.js";

export interface KeyTargets {
  readonly gallery: Gallery;
  readonly image: ImageView;
  readonly page: { page(by: number): void; toGallery(): void };
}

/** Points that Shift with an arrow moves the picture. */
const move = 80;

/** All keys, in the order of the help. */
export function bindingsOf({ gallery, image, page }: KeyTargets): Binding[] {
  const { stage, panel, steps } = image;
  const shown = (...keys: string[]) => keys;
  const inImage = { where: "image" } as const;
  const inGallery = { where: "gallery" } as const;
  const arrows = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" } as const;
  const moves: Readonly<Record<string, readonly [number, number]>> = {
    ArrowLeft: [move, 0],
    ArrowRight: [-move, 0],
    ArrowUp: [0, move],
    ArrowDown: [0, -move],
  };
  return [
    {
      ...inImage,
      keys: ["ArrowLeft", "ArrowRight"],
      shown: shown("\u2190", "\u2192"),
      text: "image before, after",
      run: ({ key }) => page.page(key === "ArrowLeft" ? -1 : 1),
    },
    {
      ...inImage,
      keys: ["ArrowUp", "ArrowDown"],
      shown: shown("\u2191", "\u2193"),
      text: "segment above, below in the list",
      run: ({ key }) => image.walk(key === "ArrowUp" ? -1 : 1),
    },
    {
      ...inImage,
      keys: ["1", "2", "3", "4", "5"],
      shown: shown("1", "\u2026", "5"),
      text: "layer on, off",
      run: ({ key }) => panel.layers.toggle(Number(key)),
    },
    {
      ...inImage,
      keys: ["+", "=", "-"],
      shown: shown("+", "\u2212"),
      text: "nearer, further",
      run: ({ key }) => stage.zoom(key === "-" ? 1 / 1.5 : 1.5),
    },
    { ...inImage, keys: ["0"], shown: shown("0"), text: "whole image", run: () => stage.fit() },
    {
      ...inImage,
      keys: Object.keys(moves),
      shift: true,
      shown: shown("Shift", "\u2190\u2191\u2192\u2193"),
      text: "move the picture",
      run: ({ key }) => stage.move(...moves[key]!),
    },
    {
      ...inImage,
      keys: ["[", "]"],
      shown: shown("[", "]"),
      text: "E-step before, after",
      run: ({ key }) => steps.go(key === "[" ? -1 : 1),
    },
    { ...inImage, keys: [" "], shown: shown("Space"), text: "play the E-steps", run: () => steps.toggle() },
    {
      ...inImage,
      keys: ["Escape"],
      shown: shown("Esc"),
      text: "no segment, then all images",
      run: () => {
        if (!image.chooseNone()) page.toGallery();
      },
    },
    {
      ...inGallery,
      keys: Object.keys(arrows),
      shown: shown("\u2190\u2191\u2192\u2193"),
      text: "from image to image",
      run: ({ key }) => gallery.move(arrows[key as keyof typeof arrows]),
    },
    {
      ...inGallery,
      keys: ["Home", "End"],
      shown: shown("Home", "End"),
      text: "first, last image",
      run: ({ key }) => gallery.move(key === "Home" ? "first" : "last"),
    },
    {
      ...inGallery,
      keys: ["/"],
      shown: shown("/"),
      text: "find by name",
      run: () => byId("search", HTMLElement).focus(),
    },
    {
      where: "both",
      keys: ["?"],
      shown: shown("?"),
      text: "these keys",
      run: () => byId("help", HTMLDialogElement).showModal(),
    },
  ];
}
