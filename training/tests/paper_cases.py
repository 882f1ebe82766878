"""Data sets of a few made-up images in the layouts of COCO 2017, ADE20K and BSDS500, with all of their classes."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask
from reader_cases import write_ids, write_image

THINGS, STUFF = 80, 53


def regions(height: int, width: int, seed: int) -> np.ndarray:
    """Two stuff regions (1, 2) with three boxes (3, 4, 5) on them, int32 [H, W]."""
    random = np.random.default_rng(seed)
    ids = np.ones((height, width), np.int32)
    ids[height // 2 :] = 2
    for number in range(3):
        top, left = random.integers(0, height - 20), number * width // 3 + random.integers(0, 4)
        ids[top : top + 18, left : left + width // 4] = 3 + number
    return ids


def write_coco(root: Path, images: int = 3, things: int = THINGS, stuff: int = STUFF) -> Path:
    """<root>/coco with train2017, val2017 and both kinds of annotations. Ids of classes have gaps, as COCO's have."""
    categories = [{"id": 2 * index + 1, "name": f"thing {index}", "isthing": 1} for index in range(things)]
    categories += [{"id": 500 + index, "name": f"stuff {index}", "isthing": 0} for index in range(stuff)]
    for split in ("train", "val"):
        folder = root / "coco" / f"{split}2017"
        rows, panoptic, instances = [], [], []
        for index in range(images):
            height, width = 60 + 8 * index, 84
            name = f"{index:012d}"
            write_image(folder / f"{name}.png", height, width, seed=index)
            rows.append({"id": index, "file_name": f"{name}.png", "height": height, "width": width})
            ids = regions(height, width, seed=10 * index + (split == "val"))
            path = root / "coco" / "annotations" / f"panoptic_{split}2017" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.stack([ids % 256, ids // 256, ids * 0], axis=-1).astype(np.uint8)).save(path)
            segments = []
            for one in np.unique(ids):
                thing = one > 2
                number = (index + int(one)) % things if thing else things + int(one) % stuff
                segments.append({"id": int(one), "category_id": categories[number]["id"], "iscrowd": 0})
                if thing:
                    code = coco_mask.encode(np.asfortranarray((ids == one).astype(np.uint8)))
                    box = [float(value) for value in coco_mask.toBbox(code)]
                    shape = {"size": [height, width], "counts": code["counts"].decode()}
                    common = {"id": len(instances) + 1, "image_id": index, "category_id": categories[number]["id"], "iscrowd": 0}
                    instances.append({**common, "segmentation": shape, "area": int((ids == one).sum()), "bbox": box})
            panoptic.append({"image_id": index, "file_name": f"{name}.png", "segments_info": segments})
        folder = root / "coco" / "annotations"
        whole = {"images": rows, "annotations": panoptic, "categories": categories}
        (folder / f"panoptic_{split}2017.json").write_text(json.dumps(whole))
        whole = {"images": rows, "annotations": instances, "categories": categories[:things]}
        (folder / f"instances_{split}2017.json").write_text(json.dumps(whole))
    return root


def write_ade20k(root: Path, images: int = 2) -> Path:
    """<root>/ade20k with all 150 classes."""
    base = root / "ade20k"
    base.mkdir(parents=True)
    rows = [f"{index}\t0.1\t1\t1\tclass {index}, other name" for index in range(1, 151)]
    (base / "objectInfo150.txt").write_text("\n".join(["Idx\tRatio\tTrain\tVal\tName", *rows]) + "\n")
    for folder in ("training", "validation"):
        for index in range(images):
            write_image(base / "images" / folder / f"{index}.png", 60, 84, seed=index)
            write_ids(base / "annotations" / folder / f"{index}.png", (regions(60, 84, index) * 29) % 151)
    return root


def write_bsds500(root: Path, images: int = 2) -> Path:
    """<root>/bsds500 with two annotators."""
    for split in ("train", "val"):
        for index in range(images):
            folder = root / "bsds500" / split
            pixels = write_image(folder / "images" / f"{index}.png", 72, 96, seed=index)
            Image.fromarray(pixels).save(folder / "images" / f"{index}.jpg")
            for annotator in range(2):
                write_ids(folder / "labels" / f"{index}_{annotator}.png", regions(72, 96, index + annotator), np.uint16)
    return root
