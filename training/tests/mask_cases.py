"""Small networks, scenes and recipes for the tests of the mask tasks."""

import numpy as np
import torch

from clustseg.data.augment import AugmentConfig
from clustseg.data.samples import Samples, labelled_image
from clustseg.model.universal import UniversalClustSeg, UniversalConfig
from clustseg.training.recipes import Recipe

CATEGORIES = [
    {"id": 0, "name": "ground", "isthing": False, "color": [0, 0, 0]},
    {"id": 1, "name": "sky", "isthing": False, "color": [0, 0, 255]},
    {"id": 2, "name": "disc", "isthing": True, "color": [255, 0, 0]},
    {"id": 3, "name": "box", "isthing": True, "color": [0, 255, 0]},
]


def tiny_config(**changes) -> UniversalConfig:
    options = {
        "things": (False, False, True, True),
        "tasks": ("panoptic", "instance", "semantic"),
        "deepest_stride": 16,
        "widths": {16: 24, 8: 24, 4: 16},
        "axial": {16: 1},
        "levels": (8, 4),
        "seed_stride": 4,
        "position_unit": 16.0,
        "centre_channels": 16,
        "key_channels": 8,
        "steps": 2,
    }
    return UniversalConfig(**{**options, **changes})


def tiny_recipe(config: UniversalConfig | None = None, **changes) -> Recipe:
    options = {
        "config": config or tiny_config(),
        "folder": "scenes",
        "read": lambda root, split, **options: scenes(4),
        "augment": AugmentConfig(crop=(64, 64), scale=(0.8, 1.25)),
        "batch": 2,
        "points": 400,
        "most_seeds": 8,
    }
    return Recipe(**{**options, **changes})


def tiny_network(config: UniversalConfig | None = None, seed: int = 0) -> UniversalClustSeg:
    """Untrained, but with a centre map that has peaks."""
    torch.manual_seed(seed)
    network = UniversalClustSeg(config or tiny_config()).eval()
    if network.config.has_things:
        with torch.no_grad():
            network.centre_head[-1].bias[0] = 0.0
            network.centre_head[-1].weight[0] *= 8
    return network


def scene(index: int, height: int = 72, width: int = 88):
    """Ground and sky with discs and boxes on them, whose colours tell the classes."""
    random = np.random.default_rng(index)
    y, x = np.mgrid[:height, :width]
    segments = (y < height * 0.4).astype(np.int32)
    classes = [0, 1]
    for number in range(3):
        kind = 2 + (index + number) % 2
        radius = random.integers(7, 12)
        middle = random.integers(radius, height - radius), width // 6 + number * width // 3
        far = np.hypot(y - middle[0], x - middle[1]) if kind == 2 else np.maximum(abs(y - middle[0]), abs(x - middle[1]))
        segments[far < radius] = len(classes)
        classes.append(kind)
    colors = np.array([[90, 70, 40], [120, 160, 230], [220, 60, 50], [50, 200, 80]])
    image = colors[np.array(classes)[segments]] + random.normal(0, 8, (height, width, 3))
    return labelled_image(f"scene-{index}", image.clip(0, 255).astype(np.uint8), segments, classes)


def scenes(count: int) -> Samples:
    return Samples(CATEGORIES, [f"scene-{index}" for index in range(count)], scene, cache=True)


def blobs(height: int, width: int, seed: int) -> np.ndarray:
    """Smooth colours with a little noise, uint8 [1, H, W, 3]."""
    random = np.random.default_rng(seed)
    coarse = torch.from_numpy(random.uniform(0, 255, (1, 3, 6, 7)).astype(np.float32))
    plane = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")[0].permute(1, 2, 0).numpy()
    return np.clip(plane + random.normal(0, 4, plane.shape), 0, 255).astype(np.uint8)[None]
