"""Large-scale jitter: how large an image is in its crop, what is kept of it, and what is around it."""

import numpy as np
import pytest

from clustseg.data.fitted_crop import FittedAugment, fitted_crop

PLAIN = {"contrast": 0.0, "gamma": 0.0, "brightness": 0.0, "saturation": 0.0, "hue": 0.0, "tint": 0.0, "grey": 0.0, "blur": 0.0, "noise": 0.0}


def ramp(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Red tells the column, green the row; planes: the row's and the column's number."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([x, y, np.full_like(x, 77)], axis=-1).astype(np.uint8)
    return image, np.stack([y, x]).astype(np.int32)


def cut(height: int, width: int, seed: int = 0, **options):
    config = FittedAugment(**{"crop": (64, 64), "scale": (1.0, 1.0), **PLAIN, **options})
    return fitted_crop(*ramp(height, width), config, np.random.default_rng(seed))


def test_at_scale_one_the_image_just_fits_and_void_is_below():
    pixels, planes = cut(60, 120)
    assert pixels.shape == (3, 64, 64) and planes.shape == (2, 64, 64)
    assert (planes[:, :32] >= 0).all() and (planes[:, 32:] == -1).all()
    assert planes[0, :32].max() == 59 and planes[1, :32].max() >= 118
    assert (pixels[2, :32] - 77).abs().max() < 1e-3 and pixels[0, 32:].std() < 1e-4


def test_at_scale_one_the_short_side_just_fits_and_the_long_one_is_cut():
    for seed in range(5):
        pixels, planes = cut(60, 120, seed, fit="short")
        assert (planes >= 0).all()
        kept = planes[1].max() - planes[1].min()
        assert 58 <= kept <= 60 and planes[0].max() - planes[0].min() >= 58


def test_scales_are_drawn_evenly_and_small_images_are_small_in_their_crop():
    kept = [(cut(100, 100, seed, scale=(0.1, 2.0))[1][0] >= 0).float().mean().item() for seed in range(60)]
    assert min(kept) < 0.1 and max(kept) == 1.0
    assert sum(one == 1.0 for one in kept) / len(kept) == pytest.approx(1.0 / 1.9, abs=0.15)


def test_pixels_and_labels_stay_together_however_they_are_cut():
    for seed in range(8):
        pixels, planes = cut(90, 70, seed, scale=(0.5, 2.0), crop=(48, 64))
        inside = planes[0] >= 0
        assert (pixels[1] - planes[0])[inside].abs().max() < 1.6
        assert (pixels[0] - planes[1])[inside].abs().max() < 1.6


def test_half_of_the_crops_are_mirrored():
    first = [bool((cut(64, 64, seed)[1][1, 0].diff() < 0).all()) for seed in range(40)]
    assert 8 < sum(first) < 32


def test_an_unknown_fit_is_refused():
    with pytest.raises(ValueError, match="'inside' or 'short'"):
        FittedAugment(fit="outside")
