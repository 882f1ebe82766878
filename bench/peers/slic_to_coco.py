"""scikit-image's SLIC and pycocotools, from the bytes of an image file to a COCO document, timed, for bench/superpixels-to-coco.ts.

    -> (started)                                <- {"python", "packages": [name version, …]} or {"python", "missing": reason}
    -> {"load": {"path"}}                       <- {"loaded": true}       the file's bytes are kept until the next one
    -> {"run": {"superpixels"}}                 <- {"ms", "cpu_ms", "segments", "pixels", "bytes"}

What is timed: decoding (Pillow), SLIC with the settings of clustseg.study.peers, RLE, area and box of each segment, the text of the JSON.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import platform
import sys
import time
from pathlib import Path

from line_protocol import open_replies, requests

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "training"))


def maker():
    """The function that is timed."""
    import numpy as np
    from PIL import Image
    from pycocotools import mask as coco_mask

    from clustseg.study.peers import skimage_slic

    slic = skimage_slic()

    def masks_of(labels: np.ndarray, count: int) -> np.ndarray:
        # The fastest of four ways tried: one mask at a time by comparison (row- or column-major), all by broadcasting, this.
        masks = np.zeros((*labels.shape, count), np.uint8, order="F")
        rows, columns = np.indices(labels.shape, sparse=True)
        masks[rows, columns, labels] = 1
        return masks

    def areas_of(rles: list[dict]) -> list[int]:
        # pycocotools 2.0.11 takes 255 masks at once with NumPy 2, and fails with more; the calls take 0.2 ms together.
        return [int(area) for first in range(0, len(rles), 255) for area in coco_mask.area(rles[first : first + 255])]

    def coco(data: bytes, superpixels: int) -> tuple[str, list[dict]]:
        image = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        labels = slic(image, superpixels)
        rles = coco_mask.encode(masks_of(labels, int(labels.max()) + 1))
        annotations = [
            {
                "id": number,
                "image_id": 1,
                "category_id": 1,
                "segmentation": {"size": rle["size"], "counts": rle["counts"].decode("ascii")},
                "area": area,
                "bbox": box,
                "iscrowd": 0,
            }
            for number, (rle, area, box) in enumerate(
                zip(rles, areas_of(rles), coco_mask.toBbox(rles).tolist()), start=1
            )
        ]
        document = {
            "info": {"description": "Superpixels"},
            "licenses": [],
            "images": [{"id": 1, "width": image.shape[1], "height": image.shape[0], "file_name": "image.jpg"}],
            "annotations": annotations,
            "categories": [{"id": 1, "name": "superpixel", "supercategory": "superpixel"}],
        }
        return json.dumps(document, separators=(",", ":")), annotations

    return coco


def main() -> None:
    reply = open_replies()
    try:
        coco = maker()
    except ImportError as error:
        reply({"python": platform.python_version(), "missing": str(error)})
        return
    packages = [f"{name} {importlib.metadata.version(name)}" for name in ("scikit-image", "pycocotools", "pillow", "numpy")]
    reply({"python": platform.python_version(), "packages": packages})
    data = b""
    for request in requests():
        if "load" in request:
            data = Path(request["load"]["path"]).read_bytes()
            reply({"loaded": True})
            continue
        cpu, begin = time.process_time(), time.perf_counter()
        text, annotations = coco(data, request["run"]["superpixels"])
        ms = (time.perf_counter() - begin) * 1000
        cpu_ms = (time.process_time() - cpu) * 1000
        pixels = sum(annotation["area"] for annotation in annotations)
        reply({"ms": ms, "cpu_ms": cpu_ms, "segments": len(annotations), "pixels": pixels, "bytes": len(text)})


if __name__ == "__main__":
    main()
