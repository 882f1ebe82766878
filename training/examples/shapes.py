"""Makes up a small data set to try training with: discs, squares and triangles on uneven ground.

    python examples/shapes.py shapes                       images/, masks/ and dataset.json
    python examples/shapes.py shapes --format coco         images/ and instances.json, and so on: cvat, label-studio

The same numbers give the same images.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

CLASSES = ("disc", "square", "triangle")
COLORS = ((200, 90, 70), (90, 170, 90), (90, 110, 200))
DRAWN = ((255, 215, 0), (140, 255, 40), (0, 220, 230))  # what overlays show them in
GROUND = (128, 116, 100)
DIVISOR = 1000  # a mask's value: class x 1000 + number of the object


@dataclass(frozen=True)
class Shape:
    """`kind` is an index into CLASSES; `outline` [(x, y)] in pixels."""

    kind: int
    outline: list[tuple[float, float]]


def draw_image(index: int, width: int, height: int) -> tuple[Image.Image, list[Shape]]:
    """An image and its shapes, the later ones on top."""
    random = np.random.default_rng(index)
    uneven = random.uniform(-35, 35, (4, 5, 3)) + GROUND
    image = Image.fromarray(uneven.clip(0, 255).astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    shapes: list[Shape] = []
    middles: list[np.ndarray] = []
    draw = ImageDraw.Draw(image)
    for _ in range(random.integers(3, 8)):
        radius = random.uniform(0.06, 0.14) * width
        middle = random.uniform([radius, radius], [width - radius, height - radius])
        if any(np.hypot(*(middle - other)) < 1.7 * radius for other in middles):
            continue
        kind, turn = int(random.integers(3)), random.uniform(0, 2 * np.pi)
        corners = (36, 4, 3)[kind]
        angles = turn + 2 * np.pi * np.arange(corners) / corners
        outline = middle + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        color = np.array(COLORS[kind]) + random.uniform(-45, 45) + random.uniform(-20, 20, 3)
        draw.polygon([tuple(point) for point in outline], fill=tuple(color.clip(0, 255).astype(int).tolist()))
        shapes.append(Shape(kind, [(round(float(x), 2), round(float(y), 2)) for x, y in outline]))
        middles.append(middle)
    noisy = np.asarray(image.filter(ImageFilter.GaussianBlur(0.7))) + random.normal(0, 9, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), shapes


def mask_of(shapes: list[Shape], width: int, height: int) -> Image.Image:
    mask = Image.new("I", (width, height), 0)
    draw = ImageDraw.Draw(mask)
    for number, shape in enumerate(shapes):
        draw.polygon(shape.outline, fill=(shape.kind + 1) * DIVISOR + number + 1)
    return mask.convert("I;16")


def write_folder(root: Path, drawn: list[tuple[str, list[Shape]]], width: int, height: int) -> None:
    (root / "masks").mkdir(parents=True, exist_ok=True)
    for name, shapes in drawn:
        mask_of(shapes, width, height).save(root / "masks" / f"{name}.png")
    classes = [{"name": name, "color": color} for name, color in zip(CLASSES, DRAWN)]
    described = {"masks": "panoptic", "divisor": DIVISOR, "classes": ["background", *classes]}
    (root / "dataset.json").write_text(json.dumps(described) + "\n")


def write_coco(root: Path, drawn: list[tuple[str, list[Shape]]], width: int, height: int) -> None:
    annotations = [
        {"image_id": image, "category_id": shape.kind + 1, "segmentation": [sum(shape.outline, ())], "iscrowd": 0}
        for image, (_, shapes) in enumerate(drawn)
        for shape in shapes
    ]
    for number, annotation in enumerate(annotations):
        x, y = annotation["segmentation"][0][::2], annotation["segmentation"][0][1::2]
        box = [min(x), min(y), max(x) - min(x), max(y) - min(y)]
        annotation |= {"id": number + 1, "bbox": box, "area": box[2] * box[3]}
    data = {
        "images": [{"id": index, "file_name": f"{name}.png", "width": width, "height": height} for index, (name, _) in enumerate(drawn)],
        "categories": [{"id": index + 1, "name": name} for index, name in enumerate(CLASSES)],
        "annotations": annotations,
    }
    (root / "instances.json").write_text(json.dumps(data) + "\n")


def write_cvat(root: Path, drawn: list[tuple[str, list[Shape]]], width: int, height: int) -> None:
    """CVAT for images 1.1."""
    labels = "".join(f"<label><name>{name}</name><color>#{bytes(color).hex()}</color></label>" for name, color in zip(CLASSES, DRAWN))
    meta = f"<meta><job><labels>{labels}</labels></job></meta>"
    lines = ['<?xml version="1.0" encoding="utf-8"?>', f"<annotations><version>1.1</version>{meta}"]
    for index, (name, shapes) in enumerate(drawn):
        lines.append(f'<image id="{index}" name={quoteattr(name + ".png")} width="{width}" height="{height}">')
        for order, shape in enumerate(shapes):
            points = ";".join(f"{x},{y}" for x, y in shape.outline)
            lines.append(f'<polygon label="{CLASSES[shape.kind]}" occluded="0" points="{points}" z_order="{order}"/>')
        lines.append("</image>")
    (root / "annotations.xml").write_text("\n".join([*lines, "</annotations>"]) + "\n")


def write_label_studio(root: Path, drawn: list[tuple[str, list[Shape]]], width: int, height: int) -> None:
    tasks = []
    for index, (name, shapes) in enumerate(drawn):
        regions = [
            {
                "id": f"{index}-{order}",
                "type": "polygonlabels",
                "from_name": "label",
                "to_name": "image",
                "original_width": width,
                "original_height": height,
                "value": {
                    "points": [[100 * x / width, 100 * y / height] for x, y in shape.outline],
                    "polygonlabels": [CLASSES[shape.kind]],
                    "closed": True,
                },
            }
            for order, shape in enumerate(shapes)
        ]
        annotations = [{"id": index + 1, "result": regions}]
        tasks.append({"id": index + 1, "data": {"image": f"/data/upload/1/{name}.png"}, "annotations": annotations})
    (root / "label-studio.json").write_text(json.dumps(tasks) + "\n")


FORMATS = {"folder": write_folder, "coco": write_coco, "cvat": write_cvat, "label-studio": write_label_studio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--first", type=int, default=0, help="number of the first image: others than those of before")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 192), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--format", choices=sorted(FORMATS), default="folder")
    arguments = parser.parse_args()
    width, height = arguments.size
    (arguments.out / "images").mkdir(parents=True, exist_ok=True)
    drawn = []
    for index in range(arguments.first, arguments.first + arguments.images):
        name = f"shapes-{index:03d}"
        image, shapes = draw_image(index, width, height)
        image.save(arguments.out / "images" / f"{name}.png")
        drawn.append((name, shapes))
    FORMATS[arguments.format](arguments.out, drawn, width, height)
    print(f"{arguments.out}: {arguments.images} images of {width} x {height}, {sum(len(shapes) for _, shapes in drawn)} shapes")


if __name__ == "__main__":
    main()
