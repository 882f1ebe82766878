"""Files of data sets: pictures as RGB, label maps as integers, folders of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from clustseg.data.samples import DataError

IMAGE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif"))


def read_rgb(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """An image file as uint8 [H, W, 3] RGB, upright (EXIF). Transparent pixels are laid on white, 16 bits become 8, and
    of an animation the first frame counts. `size` (width, height) is what the annotation says: where only the stored
    orientation fits it, that one is taken; DataError where none does."""
    try:
        with Image.open(path) as file:
            upright = ImageOps.exif_transpose(file)
            if size is not None and upright.size != tuple(size) and file.size == tuple(size):
                upright = file
            if size is not None and upright.size != tuple(size):
                found, wanted = (f"{width} x {height}" for width, height in (upright.size, size))
                raise DataError(
                    f"{path}: is {found} pixels but was annotated as {wanted}; give the images that were annotated"
                )
            return _to_rgb(upright)
    except FileNotFoundError:
        raise DataError(f"{path}: the image is missing; put it there or take it out of the annotation") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as an image ({error}); replace the file or take it out") from error


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)  # as the runtime's decoder: no stretching
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise OSError("32 bits a pixel have no known white; save it with 8 or 16 bits")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"))


def read_ids(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """A label map of a PNG or TIFF file with one channel (grey with 1, 8, 16 or 32 bits, or a palette's indices), as
    int64 [H, W]. With `size` (width, height), maps of another size are refused."""
    try:
        with Image.open(path) as file:
            if file.mode not in ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N"):
                raise DataError(
                    f"{path}: expected one channel of ids (grey or palette) but found {file.mode}; "
                    "save the mask as grey PNG with 8 or 16 bits"
                )
            ids = np.asarray(file).astype(np.int64)
    except FileNotFoundError:
        raise DataError(f"{path}: the label map is missing; add it or remove its image") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as a label map ({error}); save it as PNG again") from error
    if size is not None and (ids.shape[1], ids.shape[0]) != tuple(size):
        raise DataError(
            f"{path}: the label map is {ids.shape[1]} x {ids.shape[0]} but its image is {size[0]} x {size[1]} pixels; "
            "scale the map without smoothing (nearest neighbour)"
        )
    return ids


def image_paths(folder: Path) -> list[Path]:
    """The image files of a folder, in order of names. Raises DataError where there are none or two of one stem."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; give the data set's root and one of its splits")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not paths:
        raise DataError(f"{folder}: holds no images ({', '.join(sorted(IMAGE_SUFFIXES))})")
    stems: dict[str, Path] = {}
    for path in paths:
        if path.stem in stems:
            raise DataError(
                f"{path}: {stems[path.stem].name} has the same name; rename one so that masks are unambiguous"
            )
        stems[path.stem] = path
    return paths
