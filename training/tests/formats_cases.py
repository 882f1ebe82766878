"""The cases that hold the result formats, which TypeScript writes, to pycocotools and to their plainest reading.

    python tests/formats_cases.py      writes test/segments/fixtures/formats/*.json
"""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

FOLDER = Path(__file__).parents[2] / "test" / "segments" / "fixtures" / "formats"


def named_maps() -> dict[str, np.ndarray]:
    """Maps of segment ids without gaps; 0 is no segment."""
    random = np.random.default_rng(2305)

    def drawn(*rows: str) -> np.ndarray:
        return np.array([[int(c) for c in row.replace(".", "0")] for row in rows], np.uint16)

    def numbered(values: np.ndarray) -> np.ndarray:
        """0 stays, the other values become 1..n."""
        return np.searchsorted(np.unique(np.append(values, 0)), values).astype(np.uint16)

    patches = random.integers(0, 7, (5, 6)).repeat(4, axis=0).repeat(3, axis=1)
    y, x = np.mgrid[0:48, 0:64]
    columns = np.floor((x + 3 * np.sin(y / 5)).clip(0, 63) / 22)
    rows = np.floor((y + 3 * np.sin(x / 7)).clip(0, 47) / 25)
    return {
        "one pixel": drawn("1"),
        "one pixel of no segment": drawn("."),
        "a row": drawn("1123.33"),
        "a column": drawn(*"112.233"),
        "a run goes on in the next column": drawn("12", "11", "21"),
        "a hole, and a segment in it": drawn("1111", "1211", "1.11", "1111"),
        "a hole that touches the outside by a corner": drawn("111.", "1.11", "11.1", ".111"),
        "holes that touch by corners": drawn("11111", "1.1.1", "11.11", "1.1.1", "11111"),
        "pieces that touch by a corner": drawn("11..", "11..", "..11", "..11"),
        "pieces in the holes of pieces": drawn(
            "1111111", "1.....1", "1.111.1", "1.1.1.1", "1.111.1", "1.....1", "1111111"
        ),
        "a chessboard": drawn("1212", "2121", "1212"),
        "noise of two": random.integers(1, 3, (9, 14)).astype(np.uint16),
        "noise with none": numbered(random.integers(0, 5, (17, 12))),
        "patches": numbered(patches),
        "large and wavy": numbered((1 + columns + 3 * rows).astype(np.uint16)),
    }


def named_lengths() -> dict[str, tuple[int, int, list[int]]]:
    """(height, width, run lengths) of masks too large to be drawn: every number of five-bit groups, up and down."""
    powers = [1 << bits for bits in range(0, 26, 3)]
    return {
        "powers of two": (5, sum(powers) // 5 + 1, [*powers, sum(powers) // 5 * 5 + 5 - sum(powers)]),
        "edges of groups": (1, 5_000, fill(5_000, [15, 16, 17, 15, 31, 32, 33, 0, 511, 512, 513, 1023, 1024, 1])),
        # More than that pycocotools does not hold: it counts on six groups for a number.
        "six groups": (20_000, 25_000, fill(500_000_000, [1, 400_000_000, 3, 1, 50_000_000])),
        "ones first": (2_000, 3_000, fill(6_000_000, [0, 1_000_000, 7, 2_000_001])),
        "ones only": (3_000, 2_000, [0, 6_000_000]),
    }


def fill(pixels: int, lengths: list[int]) -> list[int]:
    return [*lengths, pixels - sum(lengths)]


def encoded(mask: np.ndarray) -> dict[str, object]:
    rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return summary(rle)


def summary(rle: dict) -> dict[str, object]:
    counts = rle["counts"] if isinstance(rle["counts"], str) else rle["counts"].decode("ascii")
    return {"counts": counts, "area": int(coco_mask.area(rle)), "bbox": [int(v) for v in coco_mask.toBbox(rle)]}


def rle_fixture() -> str:
    maps = []
    for name, ids in named_maps().items():
        maps.append({**map_record(name, ids), "segments": [encoded(ids == i) for i in ids_of(ids)]})
    lengths = []
    for name, (height, width, runs) in named_lengths().items():
        rle = coco_mask.frPyObjects({"size": [height, width], "counts": runs}, height, width)
        lengths.append({"name": name, "size": [height, width], "lengths": runs, **summary(rle)})
    return document(maps=maps, lengths=lengths)


def coco_text(ids: np.ndarray, file_name: str) -> str:
    """segments.coco.json, byte for byte."""
    annotations = []
    for i in ids_of(ids):
        found = encoded(ids == i)
        annotations.append(
            {
                "id": i,
                "image_id": 1,
                "category_id": 1,
                "segmentation": {"size": list(ids.shape), "counts": found["counts"]},
                "area": found["area"],
                "bbox": found["bbox"],
                "iscrowd": 0,
            }
        )
    about = {
        "info": {"description": "Superpixels by ClustSeg. Annotation ids are the ids in segments.png."},
        "licenses": [],
        "images": [{"id": 1, "width": ids.shape[1], "height": ids.shape[0], "file_name": file_name}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "superpixel", "supercategory": "superpixel"}],
    }
    return compact(about) + "\n"


def geojson_text(ids: np.ndarray, file_name: str) -> str:
    """segments.geojson, byte for byte."""
    rgb = pixels(ids.shape)
    features = []
    for i in ids_of(ids):
        polygons = [rings_of(piece) for piece in pieces_of(ids == i)]
        one = len(polygons) == 1
        area = int((ids == i).sum())
        features.append(
            {
                "type": "Feature",
                "id": i,
                "properties": {
                    "id": i,
                    "area": area,
                    "mean_color": [(2 * int(total) + area) // (2 * area) for total in rgb[ids == i].sum(axis=0)],
                    "unit": "pixel",
                    "y_axis": "down",
                },
                "geometry": {
                    "type": "Polygon" if one else "MultiPolygon",
                    "coordinates": polygons[0] if one else polygons,
                },
            }
        )
    height, width = ids.shape
    image = {"file_name": file_name, "width": width, "height": height, "unit": "pixel", "y_axis": "down"}
    lines = ",\n".join(compact(feature) for feature in features)
    return f'{{"type":"FeatureCollection","image":{compact(image)},"features":[\n{lines}\n]}}\n'


def pieces_of(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    """The 4-connected pieces as sets of (x, y), in raster order of their first pixels."""
    left = {(int(x), int(y)) for y, x in zip(*np.nonzero(mask), strict=True)}
    pieces = []
    for start in sorted(left, key=lambda pixel: pixel[::-1]):
        if start not in left:
            continue
        left.remove(start)
        flood = [start]
        for x, y in flood:
            for beside in ((x, y - 1), (x - 1, y), (x + 1, y), (x, y + 1)):
                if beside in left:
                    left.remove(beside)
                    flood.append(beside)
        pieces.append(set(flood))
    return pieces


def rings_of(piece: set[tuple[int, int]]) -> list[list[list[int]]]:
    """Exterior, then holes, of one piece, from its set of directed edges.

    Another way than TypeScript's: piece by piece, and where two pixels touch by a corner it goes over from one to the other.
    """
    # Corner -> ways: 0 right, 1 down, 2 left, 3 up, with the piece on the right.
    leaving: dict[tuple[int, int], set[int]] = {}
    for x, y in piece:
        for way, corner, beside in (
            (0, (x, y), (x, y - 1)),
            (1, (x + 1, y), (x + 1, y)),
            (2, (x + 1, y + 1), (x, y + 1)),
            (3, (x, y + 1), (x - 1, y)),
        ):
            if beside not in piece:
                leaving.setdefault(corner, set()).add(way)
    rings = []
    while leaving:
        # The first corner that is left is the topmost, then leftmost of its ring.
        start = at = min(leaving, key=lambda corner: corner[::-1])
        way = min(leaving[at])
        ring = [at]
        last = None
        while at != start or last is None:
            leaving[at].remove(way)
            if not leaving[at]:
                del leaving[at]
            if way != last and last is not None:
                ring.append(at)
            at, last = (at[0] + (1, 0, -1, 0)[way], at[1] + (0, 1, 0, -1)[way]), way
            if at != start:
                way = next(turn % 4 for turn in (way + 3, way, way + 1) if turn % 4 in leaving[at])
        rings.append([list(corner) for corner in [*ring, start]])
    exterior = [ring for ring in rings if twice_area(ring) > 0]
    holes = sorted((ring for ring in rings if twice_area(ring) < 0), key=lambda ring: ring[0][::-1])
    assert len(exterior) == 1
    return [*exterior, *holes]


def twice_area(ring: list[list[int]]) -> int:
    return sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in zip(ring, ring[1:], strict=False))


def pixels(shape: tuple[int, int]) -> np.ndarray:
    """The picture that lies under every map: byte n of its RGB is 37 n modulo 256."""
    height, width = shape
    return (np.arange(height * width * 3) * 37 % 256).reshape(height, width, 3)


def voc_colors() -> np.ndarray:
    """PASCAL VOC's palette, as VOCcolormap.m of its development kit makes it."""
    colors = np.zeros((256, 3), np.uint8)
    for index in range(256):
        rest, red, green, blue = index, 0, 0, 0
        for j in range(8):
            red |= (rest & 1) << (7 - j)
            green |= (rest >> 1 & 1) << (7 - j)
            blue |= (rest >> 2 & 1) << (7 - j)
            rest >>= 3
        colors[index] = red, green, blue
    return colors


def indexed_png(indices: np.ndarray, colors: np.ndarray, deflated: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = indices.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"PLTE", colors.tobytes()) + chunk(b"IDAT", deflated) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def palette_fixture() -> str:
    """Colours, rows and chunks. Compressed bytes differ between zlibs, so they are given."""
    indices = (np.arange(20 * 16) % 300).clip(0, 255).reshape(16, 20).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in indices)
    # Stored, not compressed: one block, which every zlib writes alike.
    deflated = zlib.compress(rows, 0)
    png = indexed_png(indices, voc_colors(), deflated)
    cases = [
        {
            "name": "320 pixels",
            "width": indices.shape[1],
            "height": indices.shape[0],
            "indices": indices.reshape(-1).tolist(),
            "rows": rows.hex(),
            "deflated": deflated.hex(),
            "png": png.hex(),
        }
    ]
    return document(colors=voc_colors().tolist(), cases=cases)


def text_fixture(make) -> str:
    names = ('a/b "c".jpg', "übung 1.png")
    maps = named_maps()
    return document(
        cases=[
            {**map_record(name, ids), "file_name": names[n % 2], "text": make(ids, names[n % 2])}
            for n, (name, ids) in enumerate(maps.items())
        ]
    )


def map_record(name: str, ids: np.ndarray) -> dict[str, object]:
    return {"name": name, "width": ids.shape[1], "height": ids.shape[0], "ids": ids.reshape(-1).tolist()}


def ids_of(ids: np.ndarray) -> range:
    return range(1, int(ids.max()) + 1)


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def document(**parts: list) -> str:
    """One case a line, so that a change shows as the case that changed."""
    blocks = []
    for key, cases in parts.items():
        lines = ",\n".join("    " + compact(case) for case in cases)
        blocks.append(f'  "{key}": [\n{lines}\n  ]')
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def fixtures() -> dict[str, str]:
    """File name -> text of each fixture."""
    return {
        "rle.json": rle_fixture(),
        "coco.json": text_fixture(coco_text),
        "geojson.json": text_fixture(geojson_text),
        "palette.json": palette_fixture(),
    }


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file, text in fixtures().items():
        (FOLDER / file).write_text(text, encoding="utf-8")
        print(f"{file}: {len(text)} characters")
