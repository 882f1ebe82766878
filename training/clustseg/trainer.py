"""A training run of any task: network, exponential average of its weights, optimizer and clock, saved and restored together."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

SAVE_EVERY_SECONDS = 120


class Trainer:
    """One cosine over the minutes (or iterations) there are; the same call goes on where it stopped.

    `groups`: (parameters, factor of the learning rate). `config` is stored with the checkpoint and must stay the same.
    """

    def __init__(
        self,
        network: nn.Module,
        config: dict,
        groups: list[tuple[list[nn.Parameter], float]],
        run: Path,
        rate: float,
        minutes: float,
        iterations: int = 0,
        weight_decay: float = 1e-4,
        ema: float = 0.998,
    ) -> None:
        self.network, self.config, self.run, self.rate = network, config, run, rate
        self.minutes, self.iterations, self.ema = minutes, iterations, ema
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            [{"params": parameters, "scale": scale} for parameters, scale in groups], lr=rate, weight_decay=weight_decay
        )
        self.step, self.seconds = 0, 0.0
        run.mkdir(parents=True, exist_ok=True)
        self.checkpoint = run / "checkpoint.pt"
        if self.checkpoint.exists():
            self._restore()

    def _restore(self) -> None:
        saved = torch.load(self.checkpoint, map_location=next(self.network.parameters()).device, weights_only=True)
        if json.loads(json.dumps(saved["config"])) != json.loads(json.dumps(self.config)):
            raise SystemExit(f"{self.checkpoint} is of another configuration: {saved['config']}; give another --run")
        self.network.load_state_dict(saved["network"])
        self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.seconds = saved["step"], saved["seconds"]

    def save(self) -> None:
        whole = {
            "config": self.config,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(whole, partial)
        partial.replace(self.checkpoint)

    @property
    def progress(self) -> float:
        if self.iterations:
            return min(1.0, self.step / self.iterations)
        return min(1.0, self.seconds / (60 * self.minutes))

    def _set_rate(self) -> float:
        warm = min(1.0, (self.step + 1) / 100)
        rate = self.rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * self.progress)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        return rate

    def train_step(self, loss_of: Callable[[], tuple[Tensor, dict[str, float]]]) -> dict[str, float]:
        """One step of the loss and its parts that `loss_of` computes; the time it takes counts."""
        started = time.monotonic()
        rate = self._set_rate()
        loss, parts = loss_of()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self._average_weights()
        self.step += 1
        self.seconds += time.monotonic() - started
        return {"loss": loss.item(), **parts, "gradient_norm": norm.item(), "rate": rate}

    @torch.no_grad()
    def _average_weights(self) -> None:
        decay = min(self.ema, (1 + self.step) / (10 + self.step))
        for mean, current in zip(self.average.state_dict().values(), self.network.state_dict().values()):
            if mean.dtype.is_floating_point:
                mean.lerp_(current, 1 - decay)
            else:
                mean.copy_(current)

    def fit(
        self,
        loss_of: Callable[[], tuple[Tensor, dict[str, float]]],
        evaluate: Callable[[], object] | None = None,
        evaluate_every: float = 0.0,
    ) -> None:
        """Trains until the time is used up; writes log.jsonl; `evaluate` (of the averaged weights) every so many minutes."""
        report: dict[str, float] = {}
        saved = evaluated = self.seconds
        with (self.run / "log.jsonl").open("a", buffering=1) as log:

            def write(**values: object) -> None:
                log.write(json.dumps({"step": self.step, "minutes": round(self.seconds / 60, 2), **values}) + "\n")

            while self.progress < 1.0:
                for name, value in self.train_step(loss_of).items():
                    report[name] = report.get(name, value) * 0.98 + value * 0.02
                if self.step % 50 == 0:
                    write(**{name: round(value, 6) for name, value in report.items()})
                if self.seconds - saved > SAVE_EVERY_SECONDS:
                    self.save()
                    saved = self.seconds
                if evaluate and evaluate_every and self.seconds - evaluated > 60 * evaluate_every:
                    evaluated = self.seconds
                    write(val=evaluate())
            self.save()
            if evaluate:
                write(val=evaluate())
