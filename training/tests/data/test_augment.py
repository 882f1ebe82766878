"""Crops: labels follow the image under all that may happen to it, and what is outside of the image is void."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clustseg.data.augment import AugmentConfig, random_crop, relight

PLAIN = AugmentConfig(
    crop=(32, 48), scale=(1, 1), stretch=1.0, contrast=0, gamma=0, brightness=0, saturation=0, hue=0, tint=0, grey=0, blur=0, noise=0
)


def marked(height: int = 90, width: int = 110) -> tuple[np.ndarray, np.ndarray]:
    """An image of 10 px tiles whose red value is the label of the tile, and two planes of labels."""
    y, x = np.mgrid[:height, :width]
    labels = ((y // 10) * ((width + 9) // 10) + x // 10) % 251
    image = np.stack([labels, y % 256, x % 256], axis=-1).astype(np.uint8)
    return image, np.stack([labels, labels % 7]).astype(np.int32)


def agreement(pixels: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of known pixels whose red value says their label."""
    known = labels[0] >= 0
    return float(((pixels[0] - labels[0]).abs() < 0.5)[known].float().mean())


@pytest.mark.parametrize(
    "changes",
    [{}, {"flip_vertical": True}, {"turn": True}, {"flip_vertical": True, "turn": True, "crop": (40, 40)}],
)
def test_labels_follow_the_image_under_flips_and_turns(changes):
    image, planes = marked()
    seen = set()
    for seed in range(30):
        pixels, labels = random_crop(image, planes, replace(PLAIN, **changes), np.random.default_rng(seed))
        tall, wide = changes.get("crop", (32, 48))
        assert pixels.shape == (3, tall, wide) and labels.shape == (2, tall, wide) and labels.dtype == torch.long
        assert agreement(pixels, labels) == 1.0
        assert torch.equal(labels[1], labels[0] % 7)
        down, right = pixels[1, -1, 0] - pixels[1, 0, 0], pixels[2, 0, -1] - pixels[2, 0, 0]
        across = pixels[2, -1, 0] - pixels[2, 0, 0]
        seen.add(tuple(int(step.round().sign()) for step in (down, right, across)))
    flips = 4 if changes.get("flip_vertical") else 2
    if not changes.get("turn"):
        assert len(seen) == flips
    else:
        assert any(across for _, _, across in seen) and any(not across for _, _, across in seen)


@pytest.mark.parametrize("scale", [(0.5, 0.5), (2.0, 2.0), (0.6, 1.9)])
def test_labels_follow_the_image_under_scales_and_stretching(scale):
    image, planes = marked(200, 240)
    shares = [
        agreement(*random_crop(image, planes, replace(PLAIN, scale=scale, stretch=1.3), np.random.default_rng(seed)))
        for seed in range(8)
    ]
    # Interpolated colours on edges of tiles aside: 5 to 20 pixels a tile.
    assert min(shares) > 0.45
    assert np.mean(shares) > 0.6


def test_twice_the_scale_shows_half_of_the_image():
    image, planes = marked(200, 240)
    _, labels = random_crop(image, planes, replace(PLAIN, scale=(2.0, 2.0)), np.random.default_rng(0))
    rows, columns = 32 / 2 / 10, 48 / 2 / 10
    assert (rows + 1) * (columns + 1) * 0.5 <= len(labels[0].unique()) <= (rows + 2) * (columns + 2)


def test_what_is_outside_of_the_image_is_void():
    image, planes = marked(20, 110)
    for seed in range(6):
        pixels, labels = random_crop(image, planes, PLAIN, np.random.default_rng(seed))
        known = labels[0] >= 0
        assert int(known.sum()) == 20 * 48
        assert torch.equal(known.any(dim=1), known.all(dim=1))  # whole rows
        assert agreement(pixels, labels) == 1.0
        assert (labels[:, ~known] == -1).all()


def test_void_in_the_image_stays_void():
    image, planes = marked()
    planes[:, 40:] = -1
    _, labels = random_crop(image, planes, replace(PLAIN, crop=(90, 110)), np.random.default_rng(0))
    assert int((labels[0] < 0).sum()) == 50 * 110


def test_relighting_keeps_range_and_shape_and_changes_colours():
    torch.manual_seed(0)
    pixels = torch.rand(3, 20, 30) * 255
    config = AugmentConfig(invert=1.0, grey=1.0, blur=1.0, noise=9.0)
    changed = [relight(pixels, config, np.random.default_rng(seed)) for seed in range(4)]
    for plane in changed:
        assert plane.shape == pixels.shape and plane.min() >= 0 and plane.max() <= 255
    assert not torch.allclose(changed[0], changed[1])
    off = replace(PLAIN, noise=0.0)
    torch.testing.assert_close(relight(pixels, off, np.random.default_rng(0)), pixels, atol=0.05, rtol=0)


def test_inverting_and_brightness_by_hand():
    pixels = torch.full((3, 4, 4), 200.0)
    inverted = relight(pixels, replace(PLAIN, invert=1.0), np.random.default_rng(0))
    torch.testing.assert_close(inverted, torch.full_like(pixels, 55.0), atol=0.1, rtol=0)
    brighter = {round(float(relight(pixels, replace(PLAIN, brightness=0.1), np.random.default_rng(seed))[0, 0, 0])) for seed in range(9)}
    assert len(brighter) > 5 and min(brighter) >= 174 and max(brighter) <= 226
