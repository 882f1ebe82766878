"""What is trained on what: one recipe a bundle that ships. `--recipe NAME` of clustseg.training.masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from clustseg.data.augment import AugmentConfig
from clustseg.data.readers.camvid import read_camvid
from clustseg.data.readers.dsb2018 import read_dsb2018, read_modality
from clustseg.data.readers.voc import read_voc
from clustseg.data.samples import Samples
from clustseg.losses.masks import MaskLossWeights
from clustseg.model.universal import UniversalConfig


@dataclass(frozen=True)
class Recipe:
    """A network, its data and how it is trained. `folder` is the data set's name under CLUSTSEG_DATA."""

    config: UniversalConfig
    folder: str
    read: Callable[..., Samples]
    augment: AugmentConfig
    batch: int
    # Points of an image at which scores are compared with the truth; most seeds of a crop.
    points: int = 12544
    most_seeds: int = 64
    normalise: bool = False
    # What the graph enlarges to the image: "scores" for few clusters, "pixels" for many.
    upsample: str = "scores"
    rate: float = 1e-3
    # The encoder's learning rate as a part of `rate`, and the stride up to which it keeps its ImageNet weights.
    encoder_rate: float = 0.3
    frozen_stride: int = 0
    long_side: int | None = None
    weights: MaskLossWeights = field(default_factory=MaskLossWeights)
    # Classes weigh 1 / frequency ** balance in the semantic loss.
    balance: float = 0.5
    # How often an image is drawn, by name; default: all alike.
    frequency: Callable[[Path, Samples], list[float]] | None = None
    evaluate_images: int = 60
    # Names of the classes that the figures are over; all if empty.
    counted: tuple[str, ...] = ()


def _by_modality(root: Path, samples: Samples) -> list[float]:
    """Coloured tissue and bright field are a fifth of the images and most of what goes wrong: more often."""
    kinds = read_modality(root)
    return [1.0 if kinds[name] == "dark" else 2.5 for name in samples.names]


RECIPES = {
    "street": Recipe(
        config=UniversalConfig(
            things=(False,) * 11,
            tasks=("semantic",),
            widths={32: 160, 16: 128, 8: 96, 4: 64, 2: 40},
            levels=(8, 4, 2),
            # Poles are three pixels wide: seen larger, val mIoU gains .014 with the same weights.
            zoom=(4, 3),
        ),
        folder="camvid",
        read=read_camvid,
        augment=AugmentConfig(
            crop=(288, 352), scale=(0.75, 2.5), contrast=0.7, gamma=1.0, brightness=0.3, saturation=0.7, hue=0.3, tint=0.35
        ),
        batch=4,
        encoder_rate=0.2,
        frozen_stride=2,
        points=30000,
        weights=MaskLossWeights(dice=2.0),
        # Rarer classes are found by dice; weights for them (.5) were taken back again by val: .685 -> .705 without.
        balance=0.1,
        evaluate_images=40,
    ),
    "nuclei": Recipe(
        config=UniversalConfig(
            things=(False, True),
            tasks=("instance", "panoptic"),
            widths={32: 96, 16: 96, 8: 80, 4: 64, 2: 48},
            levels=(8, 4, 2),
            seed_stride=2,
            seed_window=5,
            zoom=(3, 2),
            position_unit=16.0,
        ),
        folder="dsb2018",
        read=read_dsb2018,
        # The scales around the zoom.
        augment=AugmentConfig(
            crop=(256, 256), scale=(0.8, 2.3), stretch=1.3, flip_vertical=True, turn=True, contrast=0.6, gamma=0.7,
            brightness=0.2, saturation=0.7, hue=0.5, tint=0.25, grey=0.1, invert=0.05, blur=0.2, noise=8.0,
        ),
        batch=3,
        points=10000,
        most_seeds=256,
        normalise=True,
        rate=7e-4,
        frequency=_by_modality,
        evaluate_images=40,
    ),
    "photo": Recipe(
        config=UniversalConfig(
            things=(False,) + (True,) * 20,
            tasks=("panoptic", "instance", "semantic"),
            widths={32: 192, 16: 160, 8: 96, 4: 64},
            levels=(16, 8, 4),
            seed_stride=8,
            seed_window=5,
            position_unit=64.0,
            centre_channels=128,
        ),
        folder="voc",
        read=read_voc,
        augment=AugmentConfig(crop=(256, 256), scale=(0.55, 1.5), stretch=1.25),
        batch=6,
        points=8192,
        most_seeds=16,
        # What it knows of cats and dogs it has from ImageNet.
        encoder_rate=0.1,
        frozen_stride=4,
        balance=0.3,
        evaluate_images=80,
        counted=("background", "person", "cat", "dog", "horse", "cow", "sheep"),
    ),
}
