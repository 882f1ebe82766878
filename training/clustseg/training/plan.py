"""How a recipe is trained besides what its loss is: length, schedule, precision, and how images come in."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingPlan:
    """The defaults are those of the bundles that ship. Without iterations and epochs the clock decides (--minutes)."""

    iterations: int = 0
    # Passes over the images, from which iterations follow.
    epochs: float = 0.0
    # What the rate does over the run: see `rate_factor`.
    schedule: str = "cosine"
    warmup: int = 100
    weight_decay: float = 1e-4
    # Decay of the weights' exponential average, which is what is measured and exported; 0: the weights themselves.
    ema: float = 0.998
    # The largest norm of a step's gradient.
    clip: float = 5.0
    # "bf16", "fp16" (with loss scaling), "fp32", or "auto": bf16 where the device has it, else fp16.
    precision: str = "bf16"
    # Processes that read and crop images; 0: the training process itself.
    workers: int = 0
    # Decoded images stay in memory.
    cache: bool = True

    def __post_init__(self) -> None:
        rate_factor(self.schedule, 0.0)

    def steps(self, images: int, batch: int) -> int:
        """Iterations of `batch` images; 0 for a run by the clock."""
        return self.iterations or math.ceil(self.epochs * images / batch)


def rate_factor(schedule: str, progress: float) -> float:
    """The part of the learning rate that is left at `progress` 0..1 of a run."""
    if schedule == "cosine":
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))
    if schedule == "steps":
        return 1.0 if progress < 0.9 else 0.1 if progress < 0.95 else 0.01
    if schedule == "poly":
        return max(0.0, 1.0 - progress) ** 0.9
    if schedule == "constant":
        return 1.0
    raise ValueError(f"there is no schedule {schedule!r}; there are cosine, steps, poly and constant")
