"""What readers of annotation files share: JSON with clear errors, finding images by name, classes, and splitting."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from clustseg.data.readers.files import IMAGE_SUFFIXES
from clustseg.data.samples import Category, DataError, Samples, voc_color

Unlabelled = Literal["background", "void"]
"""What pixels are that no annotation covers: the class "background", or void (ignored)."""


def read_json(path: Path) -> Any:
    """The contents of a JSON file. Raises DataError."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder; give the JSON file in it") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text in UTF-8 ({error.reason}); if it is a zip file, unpack it") from error
    except ValueError as error:
        raise DataError(f"{path}: is not JSON ({error}); export it again, the file may be cut off") from error


class ImageFolder:
    """The images below a folder, found by the name that an annotation gives them."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise DataError(f"{root}: there is no such folder; give the folder of the images")
        self.root = root
        self._by_path: dict[str, Path] = {}
        self._by_name: dict[str, list[Path]] = {}
        for path in sorted(root.rglob("*")):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                self._by_path[path.relative_to(root).as_posix()] = path
                self._by_name.setdefault(path.name, []).append(path)

    def find(self, name: str) -> Path | None:
        """The image whose path ends like `name`: the whole of it, else the longest end that fits, down to the bare file
        name. None where there is none; DataError where several fit equally."""
        parts = PurePosixPath(name.replace("\\", "/")).parts
        for start in range(len(parts)):
            exact = self._by_path.get("/".join(parts[start:]))
            if exact is not None:
                return exact
        fitting = self._by_name.get(parts[-1], []) if parts else []
        if len(fitting) > 1:
            raise DataError(
                f"{self.root}: {len(fitting)} images are called {parts[-1]}, such as {fitting[0]} and {fitting[1]}; "
                "give the folder that holds only those that are meant"
            )
        return fitting[0] if fitting else None

    def find_all(self, names: Sequence[str], source: Path) -> list[Path]:
        """The images of all names that `source` gives. Raises DataError with the first ones that are missing."""
        paths = [self.find(name) for name in names]
        missing = [name for name, path in zip(names, paths) if path is None]
        if missing:
            shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
            raise DataError(
                f"{source}: {len(missing)} of {len(names)} images are not in {self.root}: {shown}; put them there, "
                "or give the folder that holds them (--images)"
            )
        return [path for path in paths if path is not None]


def drawn_categories(
    names: Sequence[str],
    colors: Sequence[Sequence[int] | None] = (),
    stuff: Collection[str] = (),
    unlabelled: Unlabelled = "background",
) -> list[Category]:
    """The classes of a tool's export, with ids from 1 in the order of `names`.

    All are things but those in `stuff`. With `unlabelled` = "background" the stuff class "background" with id 0 comes
    first; a class that the export itself calls so becomes it.
    """
    unknown = set(stuff) - set(names) - {"background"}
    if unknown:
        raise DataError(f"stuff names {', '.join(sorted(unknown))}, but the classes are {', '.join(names)}")
    if len(set(names)) < len(names):
        raise DataError(f"two classes have one name: {', '.join(names)}; rename one in the tool and export again")
    given = dict(zip(names, colors))
    categories: list[Category] = []
    own = next((name for name in names if name.lower() == "background"), None)
    if own is not None or unlabelled == "background":
        categories.append({"id": 0, "name": "background", "isthing": False, "color": [0, 0, 0]})
    for name in names:
        if name != own:
            number = len(categories) + (0 if categories and categories[0]["id"] == 0 else 1)
            color = list(given.get(name) or voc_color(number))
            categories.append({"id": number, "name": name, "isthing": name not in stuff, "color": color})
    return categories


def positions(categories: Sequence[Category]) -> dict[str, int]:
    """Where the class of each name stands in the list."""
    return {one["name"]: index for index, one in enumerate(categories)}


def part_of(samples: Samples, split: str | None, val: float = 0.2) -> Samples:
    """The images of a split of a data set that has none of its own: None = all, "val" = a fifth of them (`val`; at
    least one of two), "train" = the others. Chosen by a hash of the image's name: the same in every run and order."""
    if split is None:
        return samples
    if split not in ("train", "val"):
        raise DataError(f"there is no split {split}; this data set has train and val")
    order = sorted(range(len(samples)), key=lambda index: hashlib.sha256(samples.names[index].encode()).hexdigest())
    count = max(round(len(order) * val), 1 if len(order) > 1 else 0)
    return samples.subset(sorted(order[:count] if split == "val" else order[count:]))
