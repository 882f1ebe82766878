"""BSDS500 as Berkeley publishes it, laid out as it is read here:

    python -m clustseg.data.readers.bsds500 BSR/BSDS500/data …/data/bsds500

The source holds images/<split>/<id>.jpg and groundTruth/<split>/<id>.mat; the target gets <split>/images/<id>.jpg and, for each
annotator n, <split>/labels/<id>_<n>.png with the ids of regions.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import loadmat

from clustseg.data.samples import DataError

SPLITS = ("train", "val", "test")


def convert_bsds500(source: Path, target: Path) -> int:
    """Writes every split; returns the number of images. Raises DataError where the source is something else."""
    count = 0
    for split in SPLITS:
        photographs = sorted((source / "images" / split).glob("*.jpg"))
        if not photographs:
            raise DataError(f"{source / 'images' / split}: no photographs; give the folder BSR/BSDS500/data of the download")
        for kind in ("images", "labels"):
            (target / split / kind).mkdir(parents=True, exist_ok=True)
        for path in photographs:
            for number, regions in enumerate(read_annotators(source / "groundTruth" / split / f"{path.stem}.mat")):
                Image.fromarray(regions).save(target / split / "labels" / f"{path.stem}_{number}.png")
            shutil.copyfile(path, target / split / "images" / path.name)
            count += 1
    return count


def read_annotators(path: Path) -> list[np.ndarray]:
    """The label map of each annotator, uint16 [H, W]."""
    try:
        cells = loadmat(str(path))["groundTruth"].reshape(-1)
        return [np.asarray(cell["Segmentation"][0, 0], np.uint16) for cell in cells]
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; the photographs' annotations come with them") from None
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise DataError(f"{path}: is no annotation of BSDS500 ({error})") from error


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args(given)
    print(f"{arguments.target}: {convert_bsds500(arguments.source, arguments.target)} images")


if __name__ == "__main__":
    main()
