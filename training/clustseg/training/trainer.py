"""A training run of any task: network, exponential average of its weights, optimizer and clock, saved and restored together.

Of many processes (distributed.py) each has a Trainer; the first one writes.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

from clustseg.training.distributed import Precision, World
from clustseg.training.plan import rate_factor

SAVE_EVERY_SECONDS = 120


class Trainer:
    """One schedule over the minutes (or iterations) there are; the same call goes on where it stopped.

    `groups`: (parameters, factor of the learning rate). `config` is stored with the checkpoint and must stay the same.
    `parts`: a step's gradient is the mean over so many calls of the loss. `keep`: whether anything is written.
    """

    # What the backward pass of all parts but the last is done in: set to DistributedDataParallel.no_sync.
    alone: Callable[[], AbstractContextManager] = staticmethod(nullcontext)

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
        *,
        schedule: str = "cosine",
        warmup: int = 100,
        clip: float = 5.0,
        precision: Precision = Precision(),
        parts: int = 1,
        world: World = World(),
        keep: bool = True,
    ) -> None:
        self.network, self.config, self.run, self.rate = network, config, run, rate
        self.minutes, self.iterations, self.ema = minutes, iterations, ema
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            [{"params": parameters, "scale": scale} for parameters, scale in groups], lr=rate, weight_decay=weight_decay
        )
        self.schedule, self.warmup, self.clip, self.parts = schedule, warmup, clip, parts
        self.world, self.keep = world, keep and world.first
        self.scaler = torch.amp.GradScaler(world.device.type, enabled=precision.scaled)
        self.step, self.seconds = 0, 0.0
        if self.keep:
            run.mkdir(parents=True, exist_ok=True)
        self.checkpoint = run / "checkpoint.pt"
        if keep and self.checkpoint.exists():
            self._restore()

    def _restore(self) -> None:
        saved = torch.load(self.checkpoint, map_location=next(self.network.parameters()).device, weights_only=True)
        if json.loads(json.dumps(saved["config"])) != json.loads(json.dumps(self.config)):
            raise SystemExit(f"{self.checkpoint} is of another configuration: {saved['config']}; give another --run")
        self.network.load_state_dict(saved["network"])
        self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        if "scaler" in saved:
            self.scaler.load_state_dict(saved["scaler"])
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
        if self.scaler.is_enabled():
            whole["scaler"] = self.scaler.state_dict()
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(whole, partial)
        partial.replace(self.checkpoint)

    @property
    def progress(self) -> float:
        if self.iterations:
            return min(1.0, self.step / self.iterations)
        return min(1.0, self.seconds / (60 * self.minutes))

    def _set_rate(self) -> float:
        warm = min(1.0, (self.step + 1) / max(1, self.warmup))
        rate = self.rate * warm * rate_factor(self.schedule, self.progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        return rate

    def train_step(self, loss_of: Callable[[], tuple[Tensor, dict[str, float]]]) -> dict[str, float]:
        """One step of the loss and its parts that `loss_of` computes; the time it takes counts."""
        started = time.monotonic()
        rate = self._set_rate()
        self.optimizer.zero_grad(set_to_none=True)
        for part in range(self.parts):
            with nullcontext() if part == self.parts - 1 else self.alone():
                loss, parts = loss_of()
                self.scaler.scale(loss / self.parts if self.parts > 1 else loss).backward()
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._average_weights()
        self.step += 1
        # One clock for all, or some would stop a step before the others.
        self.seconds = self.world.agreed(self.seconds + time.monotonic() - started)
        # The loss scale is found by trying: a step whose gradient overflows is left out, and says nothing.
        overflowed = self.scaler.is_enabled() and not norm.isfinite()
        norms = {} if overflowed else {"gradient_norm": norm.item()}
        return {"loss": loss.item(), **parts, **norms, "rate": rate}

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
        with (self.run / "log.jsonl").open("a", buffering=1) if self.keep else nullcontext() as log:

            def write(**values: object) -> None:
                line = json.dumps({"step": self.step, "minutes": round(self.seconds / 60, 2), **values})
                if log is not None:
                    log.write(line + "\n")
                elif self.world.first:
                    print(line, flush=True)

            def measure() -> None:
                if self.world.first:
                    write(val=evaluate())
                self.world.wait()

            while self.progress < 1.0:
                for name, value in self.train_step(loss_of).items():
                    report[name] = report.get(name, value) * 0.98 + value * 0.02
                if self.step % 50 == 0:
                    write(**{name: round(value, 6) for name, value in report.items()})
                if self.seconds - saved > SAVE_EVERY_SECONDS:
                    if self.keep:
                        self.save()
                    saved = self.seconds
                if evaluate and evaluate_every and self.seconds - evaluated > 60 * evaluate_every:
                    evaluated = self.seconds
                    measure()
            if self.keep:
                self.save()
            else:
                write(**report)
            if evaluate:
                measure()
