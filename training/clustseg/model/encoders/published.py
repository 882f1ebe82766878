"""Weights as their authors publish them: a file of tensors by name, read without running what else may be in it."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Collection
from pathlib import Path

import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


class WeightsError(ValueError):
    """A file of weights that does not fit the encoder. The message says what is wrong and what to do."""


def load_published(
    encoder: nn.Module, path: Path | str, renamed: Callable[[str], str], untrained: Collection[str] = ()
) -> None:
    """Loads the file's tensors into `encoder`. `renamed` gives the name here of a published one; `untrained` are the
    encoder's own tensors that no file has. What the encoder has no place for (the classifier, stages that it was cut
    before) is left out. Raises WeightsError.
    """
    wanted = {name: value for name, value in encoder.state_dict().items() if name not in set(untrained)}
    found = {renamed(name): value for name, value in read_tensors(Path(path)).items() if renamed(name) in wanted}
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise WeightsError(
            f"{path}: lacks {len(missing)} of the {len(wanted)} tensors of {encoder.name}, such as {missing[0]}; "
            "give the ImageNet weights of this very encoder"
        )
    for name, value in found.items():
        if value.shape != wanted[name].shape:
            raise WeightsError(
                f"{path}: {name} is {list(value.shape)}, but in {encoder.name} it is {list(wanted[name].shape)}; "
                "give the ImageNet weights of this very encoder"
            )
    encoder.load_state_dict(found, strict=not untrained)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, also where they lie under "model" or "state_dict"."""
    try:
        whole = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f"{path}: there is no such file") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise WeightsError(f"{path}: is no file of PyTorch tensors ({str(error).splitlines()[0]})") from error
    for key in ("model", "state_dict"):
        if isinstance(whole, dict) and isinstance(whole.get(key), dict):
            whole = whole[key]
    tensors = {name: value for name, value in whole.items() if isinstance(value, Tensor)} if isinstance(whole, dict) else {}
    if not tensors:
        raise WeightsError(f"{path}: holds no tensors by name")
    return tensors


class Standardised(nn.Module):
    """RGB in 0..255 -> what ImageNet encoders were trained on: mean 0 and deviation 1 a channel."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION).view(1, 3, 1, 1) * 255, persistent=False)

    def forward(self, rgb: Tensor) -> Tensor:
        return (rgb - self.mean) / self.deviation


class DropPath(nn.Module):
    """Leaves out a residual branch of a sample with chance `rate` while training (stochastic depth, Huang et al. 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return branch
        kept = torch.rand((branch.shape[0],) + (1,) * (branch.ndim - 1), device=branch.device) >= self.rate
        return branch * kept.to(branch.dtype) / (1.0 - self.rate)


def depth_rates(blocks: tuple[int, ...], most: float) -> list[list[float]]:
    """By stage, the rates of DropPath, which rise from 0 in the first block to `most` in the last."""
    total = sum(blocks)
    rates = [most * index / max(1, total - 1) for index in range(total)]
    starts = [sum(blocks[:index]) for index in range(len(blocks))]
    return [rates[start : start + count] for start, count in zip(starts, blocks)]
